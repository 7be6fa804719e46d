#pragma once

#include "engine/core/op.h"

namespace engine {

/// Where branches end and begin. Forward puts the channels of its inputs one after the other, like
/// concat. Backward does, in one pass over memory, what concat, split and the nodes around them
/// would each do in passes of their own: it sums the gradients of all users (of a max pool that
/// uses the value it takes the gradient behind the pool, KernelSetup::absorbed), multiplies them
/// with the slope of the inputs' ReLU, and sums the gradients of the inputs' biases (Node::lent).
///
/// The pass join_branches puts it into training graphs; files cannot name it.
class Junction : public FusedOp {
 public:
  static constexpr int64_t kMostInputs = 8, kMostUsers = 8, kMostPools = 2;

  std::string_view type() const override { return "junction"; }
  void keys(Keys& keys) override;
  std::pair<size_t, size_t> arity() const override { return {1, kMostInputs}; }
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  BackwardReads backward_reads() const override { return {.inputs = false, .output = relu != 0}; }
  bool is_view() const override { return inputs == 1; }
  bool sums_gradients() const override { return true; }
  std::string brief() const override;

  int64_t inputs = 1, users = 1;
  int64_t relu = 0;  ///< bit i: input i ends in a ReLU whose slope is this op's work
};

std::unique_ptr<Kernel> make_junction_cuda(const KernelSetup& setup);

}  // namespace engine
