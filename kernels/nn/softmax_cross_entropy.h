#pragma once

#include "engine/core/op.h"

namespace engine {

/// The loss. Input: logits (n, 1, 1, classes); output: probabilities, the softmax of each row.
///
/// With labels, forward adds to the step's sums: loss = -sum_k target_k * log p_k, where target is
/// (1 - label_smoothing) for the label plus label_smoothing / classes for every class (Szegedy et
/// al. 2016; PyTorch's and Keras's convention); correct, where the first arg-max is the label;
/// seen. A loss that is not finite sets nonfinite. Backward ignores dy: dx = (p - target) / n, the
/// gradient of the mean over the batch.
class SoftmaxCrossEntropy : public Op {
 public:
  std::string_view type() const override { return "softmax_cross_entropy"; }
  void keys(Keys& keys) override;
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  BackwardReads backward_reads() const override { return {.output = true}; }

  double label_smoothing = 0;
};

std::unique_ptr<Kernel> make_softmax_cross_entropy_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_softmax_cross_entropy_cuda(const KernelSetup& setup);

}  // namespace engine
