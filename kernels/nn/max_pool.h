#pragma once

#include "kernels/nn/pool.h"

namespace engine {

/// The largest value of each window. Padding never wins; of equal values the first in scan order
/// does and gets the whole gradient. NaN wins over everything.
class MaxPool : public Pool {
 public:
  std::string_view type() const override { return "max_pool"; }
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
};

std::unique_ptr<Kernel> make_max_pool_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_max_pool_cuda(const KernelSetup& setup);

}  // namespace engine
