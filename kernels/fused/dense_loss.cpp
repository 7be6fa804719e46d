#include "kernels/fused/dense_loss.h"

#include "engine/core/error.h"

namespace engine {

void DenseLoss::keys(Keys& keys) {
  dense.keys(keys);
  loss.keys(keys);
  keys.number("rate", rate, {.doc = "Probability that an input is dropped."});
  keys.string("dropout", dropout, {.doc = "The node whose dropout this does."});
}

Signature DenseLoss::infer(std::span<const Shape> inputs, const InferContext& context) const {
  Signature signature = dense.infer(inputs, context);
  if (inputs[0].c > kMostInputs || signature.output.c > kMostClasses) {
    fail(ExitCode::experiment, "{} inputs and {} classes are more than {} and {}", inputs[0].c,
         signature.output.c, kMostInputs, kMostClasses);
  }
  if (dense.activation != Activation::none) {
    fail(ExitCode::experiment, "the loss takes logits, not an activation's values");
  }
  return signature;
}

std::string DenseLoss::brief() const {
  return fmt::format("dropout {}", rate);
}

}  // namespace engine
