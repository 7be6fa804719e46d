#pragma once

#include "engine/core/op.h"

namespace engine {

/// The sum of two or more inputs of one shape, added in their order.
class Add : public Op {
 public:
  std::string_view type() const override { return "add"; }
  void keys(Keys&) override {}
  std::pair<size_t, size_t> arity() const override { return {2, 64}; }
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  bool in_place() const override { return true; }
};

std::unique_ptr<Kernel> make_add_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_add_cuda(const KernelSetup& setup);

}  // namespace engine
