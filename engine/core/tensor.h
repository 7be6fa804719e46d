#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace engine {

enum class DType : uint8_t { f32, bf16, u8, i32, f64, i64, f16 };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::u8:
      return 1;
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f64:
    case DType::i64:
      return 8;
  }
  return 0;
}

/// How a network computes.
enum class Precision : uint8_t {
  fp32,  ///< IEEE single precision throughout
  tf32,  ///< the same memory; matrix products on tensor cores, which drop 13 bits of each factor
  bf16,  ///< activations, their gradients and the weights' operands in bfloat16; sums, statistics,
         ///< loss and master weights in single precision
};
/// What the values of a network lie in memory as.
constexpr DType storage_type(Precision precision) {
  return precision == Precision::bf16 ? DType::bf16 : DType::f32;
}
std::string_view to_string(Precision precision);

/// Batch, height, width, channels; in memory in this order (NHWC), channels fastest.
/// A vector per sample (dense layers) has h = w = 1.
struct Shape {
  int64_t n = 0, h = 1, w = 1, c = 1;

  int64_t elements() const { return n * h * w * c; }
  int64_t per_sample() const { return h * w * c; }
  int64_t pixels() const { return n * h * w; }
  Shape with_batch(int64_t batch) const { return {batch, h, w, c}; }
  bool operator==(const Shape&) const = default;
};

/// "8x8x256" (without the batch); a vector prints as "256".
std::string to_string(const Shape& shape);
std::string_view to_string(DType type);

/// A place in memory that somebody else owns. Element (n, h, w, c) lies at index
/// ((n * H + h) * W + w) * pitch + c. pitch = shape.c when packed; it is larger when the tensor is
/// a slice of the channels of a wider one (a concat's input placed inside the concat's output).
struct TensorView {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;
  int64_t pitch = 0;

  bool packed() const { return pitch == shape.c; }
  explicit operator bool() const { return data != nullptr; }
  float* f32() const { return static_cast<float*>(data); }
};

inline TensorView packed_view(void* data, Shape shape, DType dtype = DType::f32) {
  return {data, shape, dtype, shape.c};
}

}  // namespace engine
