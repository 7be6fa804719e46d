#pragma once

#include <cstdint>

#include "engine/core/keys.h"

namespace engine {

/// "train.schedule": the learning rate of a step as a share of the optimizer's.
struct Schedule {
  enum class Kind { constant, step, cosine, linear };
  Kind kind = Kind::constant;
  double warmup_epochs = 0;  ///< rises linearly from 0 over this many epochs, before the rest
  double every_epochs = 30;  ///< step: multiplies by factor each time
  double factor = 0.1;
  double final_share = 0;  ///< cosine, linear: what is left at the last step

  void keys(Keys& keys);
  /// Step counts from 0 over all epochs; epochs is train.epochs.
  double at(uint64_t step, uint64_t steps_per_epoch, int64_t epochs) const;
};

}  // namespace engine
