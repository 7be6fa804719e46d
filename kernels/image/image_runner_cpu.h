#pragma once

#include <omp.h>

#include <cstdint>
#include <vector>

#include "engine/core/device.h"
#include "kernels/image/image_step_cpu.h"

namespace engine {

/// The steps that apply to a set, in order.
using Steps = std::vector<const ImageStep*>;

/// Where an image comes from: uint8 of the data set, or float32 of a stage before.
struct Source {
  const uint8_t* u8 = nullptr;
  const float* f32 = nullptr;
  int64_t elements = 0;  ///< of one image

  Source image(int64_t i) const {
    return {u8 ? u8 + i * elements : nullptr, f32 ? f32 + i * elements : nullptr, elements};
  }
};

/// Scratch memory of the threads: two images that steps go back and forth between, and the steps'
/// own.
class Scratch {
 public:
  Scratch(Device& device, int64_t image, size_t step)
      : device_(device), image_(round_up(image)), stride_(2 * image_ + round_up(step)) {}

  /// Makes room for every thread that a parallel region may have.
  void ready() {
    const int threads = omp_get_max_threads();
    if (threads <= threads_) return;
    memory_ = Buffer(device_, sizeof(float) * stride_ * threads);
    threads_ = threads;
  }
  float* image(int which) const { return mine() + which * image_; }
  float* step() const { return mine() + 2 * image_; }

 private:
  static size_t round_up(size_t elements) { return (elements + 15) / 16 * 16; }
  float* mine() const { return memory_.f32() + stride_ * omp_get_thread_num(); }

  Device& device_;
  size_t image_, stride_;
  int threads_ = 0;
  Buffer memory_;
};

/// One image through steps into out, in cache. source.f32 may be out itself.
void run_image(const Steps& steps, Source source, float* out, const Scratch& scratch,
               DrawPlace place);

}  // namespace engine
