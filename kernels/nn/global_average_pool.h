#pragma once

#include "engine/core/op.h"

namespace engine {

/// The mean of each channel over height and width: (n, h, w, c) to (n, 1, 1, c).
class GlobalAveragePool : public Op {
 public:
  std::string_view type() const override { return "global_average_pool"; }
  void keys(Keys&) override {}
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
};

std::unique_ptr<Kernel> make_global_average_pool_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_global_average_pool_cuda(const KernelSetup& setup);

}  // namespace engine
