#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/tensor.h"

namespace engine::test {

/// A tensor (or raw bytes) in device memory between two guards. Everything starts as NaN, so what
/// is read without being there, or not written, shows; guards and gaps of the pitch must stay NaN.
/// In a program with the address sanitizer an access to the guards ends it, with the place.
class GuardedTensor {
 public:
  /// pitch 0 means packed. dtype: f32 or bf16.
  GuardedTensor(Device& device, Shape shape, int64_t pitch = 0, DType dtype = DType::f32);
  /// A row of bytes, 64-byte aligned.
  GuardedTensor(Device& device, size_t bytes);
  GuardedTensor(GuardedTensor&&) = default;
  ~GuardedTensor();

  const TensorView& view() const { return view_; }
  float* data() const { return view_.f32(); }
  /// Values without the gaps; bf16 ones are rounded when written.
  void write(const std::vector<float>& values);
  std::vector<float> read() const;
  /// Whether guards and gaps are as they were.
  bool intact() const;

 private:
  std::vector<uint32_t> download() const;
  void upload(const std::vector<uint32_t>& elements);
  void close_guards() const;
  void open_guards() const;
  bool is_payload(size_t element) const;

  Device* device_;
  TensorView view_;
  size_t payload_;  ///< elements between the guards
  uint32_t poison_;
  Buffer buffer_;
};

}  // namespace engine::test
