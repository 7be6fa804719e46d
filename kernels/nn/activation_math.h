#pragma once

// The element-wise functions and their derivatives, for conv2d's and dense's "activation" and for
// the op of that name. Straight-line float code that compilers turn into vector code; the absolute
// error stays below 2e-7 (relative for exponential and tanh). Polynomials: minimax fits, made for
// this file. NaN in, NaN out.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/core/attributes.h"
#include "engine/core/random.h"  // ENGINE_HD

namespace engine {

/// condition ? a : b, with both computed: compilers do not make vector code of a branch.
ENGINE_HD float select(bool condition, float a, float b) {
  const uint32_t mask = condition ? 0xFFFFFFFFu : 0u;
  return std::bit_cast<float>((std::bit_cast<uint32_t>(a) & mask) |
                              (std::bit_cast<uint32_t>(b) & ~mask));
}

/// e^x; 0 below -87.3 and infinity above 88.3.
ENGINE_HD float exponential(float x) {
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const float shifted = x * 1.442695041f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // log(2) in two parts
  float p = 1.381418900564313e-3f;
  p = p * r + 8.368914015591145e-3f;
  p = p * r + 4.166840761899948e-2f;
  p = p * r + 1.666651964187622e-1f;
  p = p * r + 4.999999403953552e-1f;
  p = p * r * r + r + 1.0f;
  const uint32_t power = std::bit_cast<uint32_t>(shifted) - (0x4B400000u - 127u);
  const float inside = p * std::bit_cast<float>(power << 23);
  return select(x < -87.3f, 0.0f,
                select(x > 88.3f, std::numeric_limits<float>::infinity(), inside));
}

ENGINE_HD float error_function(float x) {
  const float a = fabsf(x), s = x * x;
  float small = 7.889120024628937e-5f;
  small = small * s - 8.020841632969677e-4f;
  small = small * s + 5.189535208046436e-3f;
  small = small * s - 2.6854444295167923e-2f;
  small = small * s + 1.1283600330352783e-1f;
  small = small * s - 3.761262595653534e-1f;
  small = (small * s + 1.1283791065216064f) * x;
  float g = 2.1686850232072175e-5f;  // -log(1 - erf(b)) for b in [1, 4]
  g = g * a - 4.4133636401966214e-4f;
  g = g * a + 4.204561933875084e-3f;
  g = g * a - 2.5208257138729095e-2f;
  g = g * a + 1.0841857641935349e-1f;
  g = g * a + 6.332198977470398e-1f;
  g = g * a + 1.1295784711837769f;
  g = g * a - 1.880402269307524e-4f;
  const float beyond = select(a > 4.0f, 1.0f, 1.0f - exponential(-g));  // 1 - erf(4) is 1.5e-8
  const float large = copysignf(beyond, x);
  return select(a > 1.0f, large, small);
}

ENGINE_HD float hyperbolic_tangent(float x) {
  const float a = fabsf(x), s = x * x;
  float small = -5.717032589018345e-3f;
  small = small * s + 2.0650574937462807e-2f;
  small = small * s - 5.374349281191826e-2f;
  small = small * s + 1.3331490755081177e-1f;
  small = small * s - 3.333328366279602e-1f;
  small = small * s * x + x;
  const float large = copysignf(1.0f - 2.0f / (exponential(2.0f * a) + 1.0f), x);
  return select(a > 0.625f, large, small);
}

ENGINE_HD float sigmoid(float x) {
  return 1.0f / (1.0f + exponential(-x));
}

/// The normal distribution's cumulative function, which gelu multiplies by.
ENGINE_HD float normal_cdf(float x) {
  return 0.5f + 0.5f * error_function(x * 0.7071067811865476f);
}

template <Activation F>
ENGINE_HD float activate(float x) {
  if constexpr (F == Activation::relu) return select(x < 0.0f, 0.0f, x);
  if constexpr (F == Activation::gelu) return x * normal_cdf(x);
  if constexpr (F == Activation::silu) return x * sigmoid(x);
  if constexpr (F == Activation::tanh) return hyperbolic_tangent(x);
  return x;
}

/// The derivative. v is the value y for none, relu and tanh, the argument x for gelu and silu.
template <Activation F>
ENGINE_HD float activation_slope(float v) {
  if constexpr (F == Activation::relu) return select(v > 0.0f, 1.0f, 0.0f);
  if constexpr (F == Activation::gelu)
    return normal_cdf(v) + v * 0.3989422804014327f * exponential(-0.5f * v * v);
  if constexpr (F == Activation::silu) {
    const float s = sigmoid(v);
    return s * (1.0f + v * (1.0f - s));
  }
  if constexpr (F == Activation::tanh) return 1.0f - v * v;
  return 1.0f;
}

/// Calls body(std::integral_constant<Activation, F>{}) for the function at hand.
template <class Body>
void with_activation(Activation function, const Body& body) {
  using A = Activation;
  switch (function) {
    case A::none:
      return body(std::integral_constant<A, A::none>{});
    case A::relu:
      return body(std::integral_constant<A, A::relu>{});
    case A::gelu:
      return body(std::integral_constant<A, A::gelu>{});
    case A::silu:
      return body(std::integral_constant<A, A::silu>{});
    case A::tanh:
      return body(std::integral_constant<A, A::tanh>{});
  }
}

}  // namespace engine
