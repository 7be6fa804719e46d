#pragma once

// bfloat16: the upper half of a float32. 8 bits of significand, the same exponents.

#include <bit>
#include <cstdint>

#include "engine/core/random.h"  // ENGINE_HD

namespace engine {

struct Bf16 {
  uint16_t bits;
};

ENGINE_HD float to_float(Bf16 value) {
  return std::bit_cast<float>(uint32_t{value.bits} << 16);
}

/// To the nearest, ties to even; every NaN becomes the same one.
ENGINE_HD Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  const uint32_t even = (bits >> 16) & 1u;
  return {static_cast<uint16_t>((bits + 0x7fffu + even) >> 16)};
}

}  // namespace engine
