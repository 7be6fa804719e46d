#pragma once

#include "kernels/nn/pool.h"

namespace engine {

/// The mean of each window. Padding counts as zeros in the divisor only if asked for, as in
/// PyTorch; the default does not count it, as in TensorFlow.
class AveragePool : public Pool {
 public:
  std::string_view type() const override { return "average_pool"; }
  void keys(Keys& keys) override;
  PortableValue portable(const PortableNode& node) const override;

  bool count_include_padding = false;
};

std::unique_ptr<Kernel> make_average_pool_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_average_pool_cuda(const KernelSetup& setup);

}  // namespace engine
