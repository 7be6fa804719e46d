#pragma once

#include <span>

#include "engine/core/device.h"
#include "engine/core/step.h"
#include "engine/cuda/cuda_device.h"
#include "kernels/image/image_work_cuda.h"

namespace engine {

/// Images to take and where the results go. All pointers are device memory.
struct ImageRows {
  // Images, packed: the one or the other.
  const uint8_t* u8 = nullptr;
  const float* f32 = nullptr;
  const int32_t* samples = nullptr;
  const int32_t* labels = nullptr;  ///< null: none

  // Row r is image order[at->position + r], in epoch at->epoch; without order image r, epoch 0.
  const int32_t* order = nullptr;
  const StepState* at = nullptr;

  uint32_t elements = 0;         ///< of an image
  uint32_t result_elements = 0;  ///< of a row
  uint32_t count = 0;
  void* out = nullptr;          ///< f32 itself when there is no order and elements stay as many
  DType out_type = DType::f32;  ///< or bf16
  int32_t* out_labels = nullptr;
  int32_t* out_samples = nullptr;

  /// Rows first ... first + count - 1 of these.
  ImageRows part(int64_t first, int64_t count) const;
};

/// Runs works over images: many images in one launch, each in shared memory from its first read to
/// its last write; images too large for that work by work, through scratch memory.
class ImageRunnerCuda {
 public:
  /// largest: elements that an image has before, between and after works, under 2^31. works: how
  /// many there can be in one run.
  ImageRunnerCuda(CudaDevice& device, int64_t largest, size_t works);

  /// Only launches; allocates nothing.
  void run(const ImageRows& rows, std::span<const ImageWork> works) const;

 private:
  void run_fused(const ImageRows& rows, std::span<const ImageWork> works, uint32_t largest) const;
  template <class Out>
  void run_apart(const ImageRows& rows, std::span<const ImageWork> works) const;

  CudaDevice& device_;
  int64_t largest_;
  int64_t group_ = 0;  ///< images that the scratch memory has room for, twice
  Buffer scratch_;
};

}  // namespace engine
