#pragma once

#include "engine/core/op.h"

namespace engine {

/// Inputs of one height and width, their channels one after the other in the inputs' order.
class Concat : public Op {
 public:
  std::string_view type() const override { return "concat"; }
  void keys(Keys&) override {}
  std::pair<size_t, size_t> arity() const override { return {1, 1024}; }
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
};

/// An input that already lies in its place inside the output (and a gradient inside dy) costs
/// nothing: the kernel sees that source and destination are the same and leaves it alone.
std::unique_ptr<Kernel> make_concat_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_concat_cuda(const KernelSetup& setup);

}  // namespace engine
