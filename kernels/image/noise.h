#pragma once

#include <bit>

#include "engine/core/random.h"
#include "engine/core/stage.h"

namespace engine {

/// Adds sigma * N(0, 1) to every element. Drawn once for the data set, or anew for each epoch.
///
/// Element e of a sample (index in h, w, c order, of the image as the stages before leave it) takes
/// word e % 4 of Philox block (e / 4, epoch, sample, 0) under the key (seed, stream of
/// "noise/<name>"); epoch is 0 when drawn once. Words 0 and 1 make normals 0 and 1, words 2 and 3
/// make 2 and 3.
class Noise : public Stage {
 public:
  std::string_view type() const override { return "noise"; }
  void keys(Keys& keys) override;
  When when() const override { return when_; }
  bool is_noise() const override { return true; }
  Shape infer(Shape input) const override { return input; }
  PortableValue portable(const PortableStage& stage) const override;
  std::string brief() const override;

  double sigma = 0.1;

 private:
  When when_ = When::once;
};

// Box-Muller in arithmetic that every device rounds alike: IEEE operations and fused multiply-adds
// written out, no library functions. So a pixel has the same bits on each of them, and a compiler
// can run the loop over pixels in vector registers. Polynomials: weighted minimax fits.

/// Natural logarithm of a normal float in (0, 1], within 1 ulp. u = 2^e m, sqrt(1/2) <= m <
/// sqrt(2); log(1 + f) = 2 atanh(s), s = f / (2 + f).
ENGINE_HD float log_unit(float u) {
  constexpr uint32_t kOne = 0x3f800000, kRootHalf = 0x3f3504f3;
  const uint32_t shifted = std::bit_cast<uint32_t>(u) + (kOne - kRootHalf);
  const float e = static_cast<float>(static_cast<int32_t>(shifted >> 23) - 127);
  const float f = std::bit_cast<float>((shifted & 0x007fffff) + kRootHalf) - 1.0f;
  const float s = f / (2.0f + f);
  const float z = s * s;
  const float slope = fmaf(fmaf(0.29872000f, z, 0.39977533f), z, 0.66666776f);
  const float log_m = fmaf(-s, fmaf(-z, slope, f), f);
  return fmaf(e, 0.69314718f, fmaf(e, -1.9046542e-9f, log_m));
}

/// Sine and cosine of v in [0, 6.2831855], within 1 ulp (of 1 near zeros). Reduced to [-pi/4, pi/4]
/// by the nearest multiple of pi/2, which is subtracted in two parts.
ENGINE_HD void sin_cos_turn(float v, float& sine, float& cosine) {
  const int32_t quadrant = static_cast<int32_t>(fmaf(v, 0.63661977f, 0.5f));
  const float q = static_cast<float>(quadrant);
  const float r = fmaf(q, 4.3711388e-8f, fmaf(q, -1.5707964f, v));
  const float z = r * r;
  const float s = fmaf(r * z, fmaf(fmaf(-1.9517234e-4f, z, 8.3321780e-3f), z, -0.16666655f), r);
  const float c = fmaf(z * z, fmaf(fmaf(2.4438378e-5f, z, -1.3887367e-3f), z, 4.1666646e-2f),
                       fmaf(-0.5f, z, 1.0f));
  const uint32_t swapped = static_cast<uint32_t>(-(quadrant & 1));  // all ones in odd quadrants
  const uint32_t s_bits = std::bit_cast<uint32_t>(s), c_bits = std::bit_cast<uint32_t>(c);
  const uint32_t sine_sign = static_cast<uint32_t>(quadrant & 2) << 30;
  const uint32_t cosine_sign = static_cast<uint32_t>((quadrant + 1) & 2) << 30;
  sine = std::bit_cast<float>(((s_bits & ~swapped) | (c_bits & swapped)) ^ sine_sign);
  cosine = std::bit_cast<float>(((c_bits & ~swapped) | (s_bits & swapped)) ^ cosine_sign);
}

/// normals_from_bits (engine/core/random.h) in the arithmetic above.
ENGINE_HD void portable_normals(uint32_t a, uint32_t b, float& first, float& second) {
  const float u = fmaf(static_cast<float>(a), 2.3283064e-10f, 2.3283064e-10f / 2.0f);
  const float v =
      fmaf(static_cast<float>(b), 2.3283064e-10f * 6.2831855f, 2.3283064e-10f * 6.2831855f / 2.0f);
  const float radius = sqrtf(-2.0f * log_unit(u));
  float sine, cosine;
  sin_cos_turn(v, sine, cosine);
  first = radius * sine;
  second = radius * cosine;
}

}  // namespace engine
