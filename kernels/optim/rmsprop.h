#pragma once

#include "engine/core/optimizer.h"

namespace engine {

/// v = rho * v + (1 - rho) * g^2, u = g / (sqrt(v) + epsilon), p -= lr * u; with momentum,
/// m = momentum * m + u takes u's place. g includes weight_decay * p. As torch.optim.RMSprop, whose
/// alpha is our rho. (Keras adds epsilon to v under the root.) Moments: v, then m.
class RmsProp : public Optimizer {
 public:
  std::string_view type() const override { return "rmsprop"; }
  void keys(Keys& keys) override;
  int moments() const override { return momentum > 0 ? 2 : 1; }

  double rho = 0.9;
  double momentum = 0;
  double epsilon = 1e-7;
};

std::unique_ptr<OptimizerKernel> make_rmsprop_cpu(const Optimizer& optimizer, Device& device);
std::unique_ptr<OptimizerKernel> make_rmsprop_cuda(const Optimizer& optimizer, Device& device);

}  // namespace engine
