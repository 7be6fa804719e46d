#pragma once

#include <cstdint>

namespace engine {

/// What a training or evaluation step knows and counts. One small struct in device memory: kernels
/// read it, the loss adds to it, the optimizer advances it. So a step needs nothing from the host.
struct StepState {
  uint32_t epoch = 0;        ///< from 0
  uint64_t step = 0;         ///< optimizer steps done, over all epochs
  uint64_t position = 0;     ///< samples of this epoch's permutation already used
  float learning_rate = 0;   ///< of the step under way
  double gradient_norm = 0;  ///< Euclidean norm of the last step's gradient, before clipping
  double loss_sum = 0;       ///< sum over samples since the sums were last reset
  uint64_t correct = 0;      ///< samples whose arg-max was the label (first of equals)
  uint64_t seen = 0;         ///< samples in the sums
  uint32_t nonfinite = 0;    ///< 1: a loss or gradient was NaN or Inf; the update was not applied
};

/// The batch that kernels work on.
struct Batch {
  StepState* state = nullptr;         ///< device memory; the loss adds to its sums
  const int32_t* samples = nullptr;   ///< sample numbers, one for each row; keys of random draws
  const int32_t* labels = nullptr;    ///< class of each row; null in prediction
  bool training = false;              ///< dropout on, batch statistics used
};

}  // namespace engine
