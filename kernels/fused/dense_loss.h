#pragma once

#include "kernels/nn/dense.h"
#include "kernels/nn/dropout.h"
#include "kernels/nn/softmax_cross_entropy.h"

namespace engine {

/// dropout, dense and the loss in one pass: output the logits (n, 1, 1, classes), in float32
/// whatever the precision. Forward adds to the step's sums as SoftmaxCrossEntropy does and keeps
/// the gradient of the logits, so that backward has only products left. Input (n, 1, 1, c);
/// parameters as Dense.
///
/// The pass fuse_head puts it into training graphs; files cannot name it.
class DenseLoss : public FusedOp {
 public:
  /// A warp keeps a row's features and scores in shared memory.
  static constexpr int64_t kMostInputs = 1024, kMostClasses = 128;

  std::string_view type() const override { return "dense_loss"; }
  void keys(Keys& keys) override;
  /// Throws Error (experiment) when there are more inputs or classes, or an activation.
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  BackwardReads backward_reads() const override { return {.inputs = true}; }
  std::string brief() const override;

  Dense dense;
  SoftmaxCrossEntropy loss;
  double rate = 0;      ///< of the dropout before it
  std::string dropout;  ///< that dropout's node, whose name decides what it drops
};

std::unique_ptr<Kernel> make_dense_loss_cuda(const KernelSetup& setup);

}  // namespace engine
