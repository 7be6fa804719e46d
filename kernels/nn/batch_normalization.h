#pragma once

#include "engine/core/op.h"

namespace engine {

/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, for each channel (Ioffe, Szegedy
/// 2015).
///
/// In training, mean and (biased) variance are the batch's, over samples, height and width; the
/// running ones move towards them: running += momentum * (batch - running), with the unbiased
/// variance, all as in PyTorch, so that its files and ours are the same. Keras's momentum is one
/// minus this one, and its running variance is the biased one. In evaluation the running statistics
/// take the batch's place. Parameters: weight, bias, running_mean, running_var, each [c].
class BatchNormalization : public Op {
 public:
  std::string_view type() const override { return "batch_normalization"; }
  void keys(Keys& keys) override;
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  BackwardReads backward_reads() const override { return {.inputs = true}; }

  double momentum = 0.1;
  double epsilon = 1e-5;
};

std::unique_ptr<Kernel> make_batch_normalization_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_batch_normalization_cuda(const KernelSetup& setup);

}  // namespace engine
