#pragma once

#include "engine/core/random.h"
#include "engine/core/stage.h"

namespace engine {

/// Pads an image on all sides and cuts a window of the old size at a random place, anew for each
/// epoch. Training only.
class RandomCrop : public Stage {
 public:
  enum class PaddingMode : uint8_t { zero, reflect };

  std::string_view type() const override { return "random_crop"; }
  void keys(Keys& keys) override;
  When when() const override { return When::every_epoch; }
  bool training_only() const override { return true; }
  Shape infer(Shape input) const override { return input; }
  PortableValue portable(const PortableStage& stage) const override;
  std::string brief() const override;

  int64_t padding = 4;
  PaddingMode padding_mode = PaddingMode::zero;
};

struct CropOffset {
  int32_t y, x;  ///< the window's corner relative to the image's: -padding ... padding
};

/// Where the window lies, every place equally likely. key: (seed, stream of "random_crop/<name>").
ENGINE_HD CropOffset draw_crop(RandomKey key, uint32_t padding, uint32_t epoch, uint32_t sample) {
  const Philox4 random = key.draw(0, epoch, sample);
  const uint64_t places = 2 * padding + 1;
  return {static_cast<int32_t>(random.word[0] * places >> 32) - static_cast<int32_t>(padding),
          static_cast<int32_t>(random.word[1] * places >> 32) - static_cast<int32_t>(padding)};
}

}  // namespace engine
