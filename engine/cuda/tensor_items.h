#pragma once

// Tensors as kernels see them: a pointer and a pitch, cut into items of V neighbouring channels.

#include <cstdint>
#include <span>
#include <type_traits>

#include "engine/core/bf16.h"
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

/// A tensor of numbers T in device memory.
template <class T>
struct Slice {
  T* data = nullptr;
  uint32_t pitch = 0;  ///< numbers from pixel to pixel

  ENGINE_HD T* at(uint32_t pixel, uint32_t channel) const {
    return data + static_cast<size_t>(pixel) * pitch + channel;
  }
};

template <class T>
Slice<T> slice(const TensorView& view) {
  return {static_cast<T*>(view.data), static_cast<uint32_t>(view.pitch)};
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

/// Bytes of a tensor's own elements: what reading or writing it once moves.
double bytes_of(const TensorView& view);

/// How many channels a thread can take at a time: as many as are 16 bytes (4 floats, 8 bf16) where
/// channels, pitches and addresses of all tensors allow such accesses, else 1. Tensors without
/// memory do not count.
int channels_at_once(std::span<const TensorView> tensors);

/// A type, as an argument.
template <class T>
struct TypeIs {
  using type = T;
};

/// Calls body(TypeIs<float>{}) or body(TypeIs<Bf16>{}).
template <class Body>
void with_type(DType type, const Body& body) {
  if (type == DType::bf16) {
    body(TypeIs<Bf16>{});
  } else {
    body(TypeIs<float>{});
  }
}

/// Calls body(TypeIs<T>{}, std::integral_constant<int, V>{}) with the type of the tensors, which is
/// the same for all, and the V that they allow.
template <class Body>
void with_items(std::span<const TensorView> tensors, const Body& body) {
  with_type(tensors[0].dtype, [&](auto type) {
    constexpr int kMost = 16 / sizeof(typename decltype(type)::type);
    if (channels_at_once(tensors) > 1) {
      body(type, std::integral_constant<int, kMost>{});
    } else {
      body(type, std::integral_constant<int, 1>{});
    }
  });
}

}  // namespace engine
