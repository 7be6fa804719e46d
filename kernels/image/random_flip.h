#pragma once

#include "engine/core/random.h"
#include "engine/core/stage.h"

namespace engine {

/// Mirrors an image, or not, anew for each epoch. Training only.
class RandomFlip : public Stage {
 public:
  enum class Mode : uint8_t { horizontal, vertical };

  std::string_view type() const override { return "random_flip"; }
  void keys(Keys& keys) override;
  When when() const override { return When::every_epoch; }
  bool training_only() const override { return true; }
  Shape infer(Shape input) const override { return input; }
  PortableValue portable(const PortableStage& stage) const override;
  std::string brief() const override;

  double probability = 0.5;
  Mode mode = Mode::horizontal;
};

/// Whether this sample is mirrored in this epoch. key: (seed, stream of "random_flip/<name>").
ENGINE_HD bool draws_flip(RandomKey key, float probability, uint32_t epoch, uint32_t sample) {
  return uniform_from_bits(key.draw(0, epoch, sample).word[0]) <= probability;
}

}  // namespace engine
