#pragma once

// What the GPU does to one image in each stage. The operations are those of the CPU's steps, in
// the same order and with the same fused multiply-adds, so the bits are the same too. Nothing is
// left that a compiler could fuse to another effect: products that meet an addition are exact.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/stage.h"
#include "engine/cuda/tensor_items.h"

namespace engine {

/// One pass over an image. A stage is one of these or, when it smooths both axes, two.
struct ImageWork {
  enum class Kind : uint8_t {
    grayscale,
    noise,
    smooth_height,
    smooth_width,
    normalize,
    flip,
    crop
  };

  Kind kind = Kind::grayscale;
  bool once = false;      ///< noise: the draws of epoch 0
  bool vertical = false;  ///< flip
  bool mirrored = false;  ///< crop: around the image lies its mirror image
  int32_t h = 0, w = 0, c = 0;
  uint32_t elements = 0;         ///< of the image read
  uint32_t result_elements = 0;  ///< of the image written
  Divider row, pixel;            ///< elements of a row, of a pixel
  RandomKey key;
  float numbers[3] = {};         ///< grayscale: weights; noise: sigma; flip: probability
  int32_t reach = 0;             ///< smooth: radius; crop: padding
  const float* table = nullptr;  ///< device memory. smooth: weights; normalize: means, then factors
};

/// What a stage is on the GPU. Nothing when there is nothing to do (sigma 0, one channel already
/// gray) or nothing known yet (normalize before it has measured).
struct StageWorks {
  std::vector<ImageWork> works;
  std::vector<float> table;  ///< to be put into device memory for all works
};

/// statistics: what was measured for this stage, empty when nothing was. The axis sample of smooth
/// is not an image's matter: kernels/image/image_set_cuda.h.
StageWorks works_of(const Stage& stage, Shape input, uint32_t seed,
                    std::span<const double> statistics);

}  // namespace engine
