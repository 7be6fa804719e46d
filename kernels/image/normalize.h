#pragma once

#include "engine/core/stage.h"
#include "kernels/image/stage_keys.h"

namespace engine {

/// (x - mean) / std for each channel. Measured: over all pixels of the training split, after the
/// stages before this one except those for training only; std is the population's (divided by n). A
/// channel that never varies is only centred.
class Normalize : public Stage {
 public:
  std::string_view type() const override { return "normalize"; }
  void keys(Keys& keys) override;
  When when() const override { return when_; }
  bool needs_statistics() const override { return mean.measured() || std.measured(); }
  /// Throws Error (experiment) when the numbers given are not one, or one for each channel.
  Shape infer(Shape input) const override;
  PortableValue portable(const PortableStage& stage) const override;
  std::string brief() const override;

  ChannelNumbers mean{false};
  ChannelNumbers std{true};

 private:
  When when_ = When::once;
};

/// A pixel becomes (x - mean[c]) * factor[c].
struct NormalizeNumbers {
  std::vector<float> mean, factor;
};

/// measured: mean of each channel, then its standard deviation; empty when all numbers are given.
NormalizeNumbers normalize_numbers(const Normalize& stage, int64_t channels,
                                   std::span<const double> measured);

}  // namespace engine
