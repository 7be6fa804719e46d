#pragma once

// How the libraries that the emulation stands in for read, multiply and store numbers.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "engine/core/tensor.h"

namespace emulated {

using engine::Precision;

/// The float nearest to value that has only so many bits of mantissa, of two equally near ones the
/// even one.
inline float round_mantissa(float value, int bits) {
  constexpr int kMantissa = 23;
  if (!std::isfinite(value)) return value;
  const auto word = std::bit_cast<uint32_t>(value);
  const int dropped = kMantissa - bits;
  const uint32_t half = (1u << (dropped - 1)) - 1 + (word >> dropped & 1);
  return std::bit_cast<float>((word + half) >> dropped << dropped);
}

/// A tensor's memory as numbers.
class Numbers {
 public:
  Numbers(const void* data, Precision precision) : data_(data), precision_(precision) {}

  double operator[](size_t i) const {
    if (precision_ != Precision::bf16) return static_cast<const float*>(data_)[i];
    return std::bit_cast<float>(uint32_t{static_cast<const uint16_t*>(data_)[i]} << 16);
  }
  /// As a product takes it.
  double factor(size_t i) const {
    constexpr int kTf32 = 10;
    const double value = (*this)[i];
    return precision_ == Precision::tf32 ? round_mantissa(static_cast<float>(value), kTf32) : value;
  }
  void put(size_t i, double value) const {
    constexpr int kBf16 = 7;
    const auto number = static_cast<float>(value);
    if (precision_ == Precision::bf16) {
      const float rounded = round_mantissa(number, kBf16);
      static_cast<uint16_t*>(const_cast<void*>(data_))[i] =
          static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded) >> 16 | std::isnan(number));
    } else {
      static_cast<float*>(const_cast<void*>(data_))[i] = number;
    }
  }

 private:
  const void* data_;
  Precision precision_;
};

}  // namespace emulated
