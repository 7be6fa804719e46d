#pragma once

#include <cstdint>

namespace engine {

/// What a training or evaluation step knows and counts. One small struct in device memory: the
/// gather reads where the epoch is, the loss adds to the sums, the optimizer's update advances all
/// of it or, when something was not finite, takes the step's sums back. So a step needs nothing
/// from the host.
struct StepState {
  uint32_t epoch = 0;        ///< from 0
  uint64_t step = 0;         ///< optimizer steps done, over all epochs
  uint64_t position = 0;     ///< samples of this epoch's permutation already used
  float learning_rate = 0;   ///< of the last step
  double gradient_norm = 0;  ///< Euclidean norm of the last step's gradient, before clipping
  double loss_sum = 0;       ///< sum over samples since the sums were last reset
  uint64_t correct = 0;      ///< samples whose arg-max was the label (first of equals)
  uint64_t seen = 0;         ///< samples in the sums
  /// 1: a loss, gradient or parameter was NaN or Inf. That step's update was not applied, and none
  /// is until the host has reset this.
  uint32_t nonfinite = 0;

  // Of the step under way.
  uint64_t rates_from = 0;  ///< the step that the table of learning rates begins with
  double loss_before = 0;   ///< the sums as the loss found them
  uint64_t correct_before = 0;
  uint64_t seen_before = 0;
};

/// The batch that kernels work on.
struct Batch {
  StepState* state = nullptr;        ///< device memory; the loss adds to its sums
  const int32_t* samples = nullptr;  ///< sample numbers, one for each row; keys of random draws
  const int32_t* labels = nullptr;   ///< class of each row; null in prediction
  bool training = false;             ///< dropout on, batch statistics used
};

}  // namespace engine
