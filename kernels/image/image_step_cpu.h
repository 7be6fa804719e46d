#pragma once

#include <memory>
#include <span>

#include "engine/core/stage.h"

namespace engine {

/// What a draw of random numbers depends on besides seed and stage.
struct DrawPlace {
  uint32_t epoch, sample;
};

/// One stage on one image on the CPU, with shapes fixed. The pipeline chains steps through scratch
/// memory that stays in the cache, so an image passes through main memory once, whatever the number
/// of stages.
class ImageStep {
 public:
  virtual ~ImageStep() = default;
  /// Writes every element of out. in and out do not overlap, except that they may be the same
  /// when in_place().
  virtual void run(const float* in, float* out, float* scratch, DrawPlace place) const = 0;
  virtual bool in_place() const { return false; }
  /// Floats of scratch that run needs, aligned to 64 bytes.
  virtual size_t scratch() const { return 0; }
};

class Grayscale;
class Noise;
class Smooth;
class Normalize;
class RandomFlip;
class RandomCrop;

/// What a stage does to one image. Null: nothing to do (sigma 0, one channel already gray), or not
/// measured yet.
std::unique_ptr<ImageStep> make_step(const Grayscale& stage, Shape input);
std::unique_ptr<ImageStep> make_step(const Noise& stage, Shape input, uint32_t seed);
/// The axes height and width; the axis sample is smooth_samples' part.
std::unique_ptr<ImageStep> make_step(const Smooth& stage, Shape input);
/// statistics: mean of each channel, then its standard deviation; empty when not measured.
std::unique_ptr<ImageStep> make_step(const Normalize& stage, Shape input,
                                     std::span<const double> statistics);
std::unique_ptr<ImageStep> make_step(const RandomFlip& stage, Shape input, uint32_t seed);
std::unique_ptr<ImageStep> make_step(const RandomCrop& stage, Shape input, uint32_t seed);

/// Filters images[n][elements] over n, in place, on all threads. Memory beside the images: 2 radius
/// + 1 rows of 128 floats a thread.
void smooth_samples(const Smooth& stage, float* images, int64_t n, int64_t elements);

}  // namespace engine
