#pragma once

// What the CPU's optimizers share: the gradient's norm, clipping, the check for NaN and Inf.

#include "engine/core/optimizer.h"

namespace engine {

/// Sum of squares in double precision. The arena is cut into pieces that depend on its size alone;
/// each is summed by itself and the sums are added in order: the same bits for every thread count.
double sum_of_squares(const float* values, int64_t count);

/// Whether no value is NaN or infinite. An infinite weight need not show in a step's loss and
/// gradients: tanh makes an infinite sum a finite 1 with a slope of 0.
bool all_finite(const float* values, int64_t count);

/// Reads gradients and parameters once for the norm and the check; then apply() makes one pass over
/// all arenas.
class ArenaOptimizer : public OptimizerKernel {
 public:
  explicit ArenaOptimizer(const Optimizer& optimizer)
      : weight_decay_(static_cast<float>(optimizer.weight_decay)),
        clip_norm_(optimizer.clip_norm) {}

  void update(const UpdateArgs& args) final;

 protected:
  /// One step, number t from 1. Gradients count times scale.
  virtual void apply(const UpdateArgs& args, float learning_rate, float scale, uint64_t t) = 0;

  float weight_decay_;

 private:
  /// The step has not been.
  static void undo(const UpdateArgs& args);

  double clip_norm_;
};

}  // namespace engine
