#pragma once

// Tensors as kernels see them: a pointer and a pitch, cut into items of V neighbouring channels.

#include <cstdint>
#include <span>

#include "engine/core/random.h"  // ENGINE_HD
#include "engine/core/tensor.h"

namespace engine {

/// Division by a number that the host knows, without a division: Granlund and Montgomery, "Division
/// by invariant integers using multiplication", 1994. For numerators under 2^31.
class Divider {
 public:
  Divider() = default;
  explicit Divider(uint32_t divisor) : divisor_(divisor) {
    while ((uint64_t{1} << shift_) < divisor) ++shift_;
    multiplier_ = static_cast<uint32_t>(
        ((uint64_t{1} << 32) * ((uint64_t{1} << shift_) - divisor)) / divisor + 1);
  }
  ENGINE_HD uint32_t divide(uint32_t n) const {
    const auto high = static_cast<uint32_t>((uint64_t{n} * multiplier_) >> 32);
    return (high + n) >> shift_;
  }
  ENGINE_HD uint32_t remainder(uint32_t n, uint32_t quotient) const {
    return n - quotient * divisor_;
  }

 private:
  uint32_t divisor_ = 1, multiplier_ = 1, shift_ = 0;
};

/// A tensor in device memory.
struct Slice {
  float* data = nullptr;
  uint32_t pitch = 0;  ///< floats from pixel to pixel

  ENGINE_HD float* at(uint32_t pixel, uint32_t channel) const {
    return data + static_cast<size_t>(pixel) * pitch + channel;
  }
};

inline Slice slice(const TensorView& view) {
  return {view.f32(), static_cast<uint32_t>(view.pitch)};
}

/// A tensor's elements as items of V channels: item i is (pixel, channel).
struct Items {
  uint32_t count = 0;  ///< pixels * channels / V
  Divider per_pixel;   ///< items of a pixel

  struct Place {
    uint32_t pixel, channel;
  };
  template <int V>
  ENGINE_HD Place place(uint32_t item) const {
    const uint32_t pixel = per_pixel.divide(item);
    return {pixel, per_pixel.remainder(item, pixel) * V};
  }
};

/// Throws Error (experiment) when there are 2^31 items or more.
Items items_of(const Shape& shape, int v);

/// How many channels a thread can take at a time: 4 where channels, pitches and addresses of all
/// tensors allow 16-byte accesses, else 1. Tensors without memory do not count.
int channels_at_once(std::span<const TensorView> tensors);

/// Calls body(std::integral_constant<int, V>{}) with the V that the tensors allow.
template <class Body>
void with_channels_at_once(std::span<const TensorView> tensors, const Body& body) {
  if (channels_at_once(tensors) == 4) {
    body(std::integral_constant<int, 4>{});
  } else {
    body(std::integral_constant<int, 1>{});
  }
}

}  // namespace engine
