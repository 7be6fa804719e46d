#pragma once

// The loss of one row of logits by one warp, for the kernels that end in it.

#include "engine/core/step.h"
#include "engine/cuda/cuda_device.h"
#include "engine/cuda/kernel.h"

namespace engine {

struct RowLoss {
  double loss;
  uint32_t correct;
};

/// What a softmax needs to know of a row. Sums are in double precision.
struct SoftmaxRow {
  double top = 0;       ///< the largest logit
  double sum = 0;       ///< of exp(x - top)
  double distance = 0;  ///< sum of top - x
  uint32_t where = 0;   ///< the first of the largest; NaN is never larger

  __device__ float probability(float logit) const {
    return static_cast<float>(exp(logit - top) / sum);
  }
  __device__ RowLoss loss(float logit_of_label, uint32_t label, uint32_t classes,
                          double smoothing) const {
    const double log_sum = log(sum);
    double loss = (1 - smoothing) * (log_sum - (logit_of_label - top));
    if (smoothing > 0) loss += smoothing * (log_sum + distance / classes);
    return {loss, label == where ? 1u : 0u};
  }
};

/// logit(k): the row's logit of class k, as a float. All lanes of the warp come here and get the
/// same.
template <class Logit>
__device__ SoftmaxRow softmax_row(uint32_t lane, uint32_t classes, const Logit& logit) {
  float best = logit(0);
  SoftmaxRow row;
  for (uint32_t k = lane; k < classes; k += 32) {
    const float value = logit(k);
    if (value > best) {
      best = value;
      row.where = k;
    }
  }
  for (int other = 16; other > 0; other /= 2) {
    const float theirs = __shfl_xor_sync(0xffffffffu, best, other);
    const uint32_t their_place = __shfl_xor_sync(0xffffffffu, row.where, other);
    if (theirs > best || (theirs == best && their_place < row.where)) {
      best = theirs;
      row.where = their_place;
    }
  }
  row.top = best;
  for (uint32_t k = lane; k < classes; k += 32) {
    const double z = logit(k) - row.top;
    row.sum += exp(z);
    row.distance -= z;
  }
  row.sum = warp_sum(row.sum);
  row.distance = warp_sum(row.distance);
  return row;
}

/// What the gradient's target has: 1 - smoothing + smoothing / classes at the label, smoothing /
/// classes elsewhere.
struct SmoothedTarget {
  SmoothedTarget(double smoothing, uint32_t classes)
      : at_label(static_cast<float>(1 - smoothing + smoothing / classes)),
        elsewhere(static_cast<float>(smoothing / classes)) {}
  float at_label, elsewhere;
};

/// One block adds all rows, in a fixed order, to the step's sums.
void add_losses(const CudaDevice& device, const RowLoss* losses, uint32_t rows, StepState* state);

}  // namespace engine
