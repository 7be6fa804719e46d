#include <algorithm>
#include <cmath>

#include "engine/core/random.h"
#include "engine/graph/parameter_store.h"

namespace engine {
namespace {

// Deviation of a standard normal that is cut off at -2 and 2.
constexpr double kTruncatedDeviation = 0.87962566103423978;

void draw_uniform(RandomKey key, double limit, std::span<float> values) {
  for (size_t e = 0; e < values.size(); ++e) {
    const Philox4 words = key.draw(static_cast<uint32_t>(e / 4), 0, 0);
    const float unit = uniform_from_bits(words.word[e % 4]);
    values[e] = static_cast<float>((2.0 * unit - 1.0) * limit);
  }
}

float standard_normal(const Philox4& words, size_t which) {
  float first = 0, second = 0;
  const size_t pair = which & 2;
  normals_from_bits(words.word[pair], words.word[pair + 1], first, second);
  return which & 1 ? second : first;
}

void draw_truncated_normal(RandomKey key, double deviation, std::span<float> values) {
  for (size_t e = 0; e < values.size(); ++e) {
    float drawn = 3;
    for (uint32_t attempt = 0; std::fabs(drawn) > 2; ++attempt) {
      drawn = standard_normal(key.draw(static_cast<uint32_t>(e / 4), 0, attempt), e % 4);
    }
    values[e] = static_cast<float>(drawn * deviation);
  }
}

}  // namespace

void draw_initial(const Initializer& initializer, const std::string& name, uint32_t seed,
                  std::span<float> values) {
  using Kind = Initializer::Kind;
  const RandomKey key{seed, random_stream("initialize", name)};
  const auto in = static_cast<double>(initializer.fan_in);
  const auto both = in + static_cast<double>(initializer.fan_out);
  switch (initializer.kind) {
    case Kind::zeros:
      std::fill(values.begin(), values.end(), 0.0f);
      break;
    case Kind::ones:
      std::fill(values.begin(), values.end(), 1.0f);
      break;
    case Kind::glorot_uniform:
      draw_uniform(key, std::sqrt(6 / both), values);
      break;
    case Kind::he_uniform:
      draw_uniform(key, std::sqrt(6 / in), values);
      break;
    case Kind::glorot_normal:
      draw_truncated_normal(key, std::sqrt(2 / both) / kTruncatedDeviation, values);
      break;
    case Kind::he_normal:
      draw_truncated_normal(key, std::sqrt(2 / in) / kTruncatedDeviation, values);
      break;
  }
}

}  // namespace engine
