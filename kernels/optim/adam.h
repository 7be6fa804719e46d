#pragma once

#include "engine/core/optimizer.h"

namespace engine {

/// Kingma, Ba 2015, as torch.optim.Adam: with step t from 1,
///   m = beta1 * m + (1 - beta1) * g        v = beta2 * v + (1 - beta2) * g^2
///   p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
/// where g includes weight_decay * p. (Keras adds epsilon to sqrt(v) before the correction of the
/// root, so the same epsilon means a little less there in the first steps.) Moments: m, then v.
class Adam : public Optimizer {
 public:
  std::string_view type() const override { return "adam"; }
  void keys(Keys& keys) override;
  int moments() const override { return 2; }

  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-7;
};

/// Loshchilov, Hutter 2019, as torch.optim.AdamW: Adam whose weight decay is not part of the
/// gradient; p *= 1 - lr * weight_decay comes first.
class AdamW : public Adam {
 public:
  AdamW() { weight_decay = 0.01; }
  std::string_view type() const override { return "adamw"; }
};

std::unique_ptr<OptimizerKernel> make_adam_cpu(const Optimizer& optimizer, Device& device);
std::unique_ptr<OptimizerKernel> make_adam_cuda(const Optimizer& optimizer, Device& device);
std::unique_ptr<OptimizerKernel> make_adamw_cpu(const Optimizer& optimizer, Device& device);
std::unique_ptr<OptimizerKernel> make_adamw_cuda(const Optimizer& optimizer, Device& device);

}  // namespace engine
