#pragma once

#include "engine/core/attributes.h"
#include "engine/core/op.h"

namespace engine {

class PortableGraph;

/// Applies a function to each element: relu, gelu (with erf, not its tanh approximation), silu,
/// tanh.
class ActivationOp : public Op {
 public:
  std::string_view type() const override { return "activation"; }
  void keys(Keys& keys) override;
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  BackwardReads backward_reads() const override;
  bool in_place() const override { return backward_reads().output; }
  std::string brief() const override;

  Activation function = Activation::relu;
};

/// The function of a value, as operators of ONNX.
PortableValue portable_activation(PortableGraph& graph, Activation function,
                                  const PortableValue& x);

std::unique_ptr<Kernel> make_activation_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_activation_cuda(const KernelSetup& setup);

}  // namespace engine
