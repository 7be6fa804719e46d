#pragma once

// What looks at all images of a set: the axis sample of smooth, and what normalize measures.

#include <cstdint>
#include <vector>

#include "engine/cuda/cuda_device.h"
#include "kernels/image/image_runner_cuda.h"
#include "kernels/image/smooth.h"

namespace engine {

/// The images of a set in host memory, on the device a chunk at a time.
class ImageChunks {
 public:
  /// samples: the set's sample numbers in device memory.
  ImageChunks(CudaDevice& device, const ImageSet& images, const int32_t* samples);

  int64_t size() const { return size_; }  ///< images of a chunk; the last may have fewer
  /// Puts the images from first on where those of the chunk before were.
  ImageRows load(int64_t first);

 private:
  CudaDevice& device_;
  const ImageSet& images_;
  const int32_t* samples_;
  int64_t size_;
  Buffer memory_;
};

/// Filters images[n][elements] over n, in place. Takes scratch memory for a strip of columns of
/// elements at a time and gives it back.
void smooth_samples_cuda(CudaDevice& device, const Smooth& stage, float* images, int64_t n,
                         int64_t elements);

/// Appends the sums of each image (device memory, packed): of each channel, then of each channel's
/// squares. Added in double precision in the order of pixels, so the same bits as the CPU's.
void sum_channels_cuda(CudaDevice& device, const float* images, Shape shape,
                       std::vector<double>& sums);

}  // namespace engine
