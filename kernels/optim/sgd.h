#pragma once

#include "engine/core/optimizer.h"

namespace engine {

/// p -= lr * u, where g includes weight_decay * p and, with momentum, m = momentum * m + g and
/// u = m, or u = g + momentum * m (Nesterov); without, u = g. As torch.optim.SGD with dampening 0.
/// (Keras keeps -lr * m instead, which differs when the learning rate changes.)
class Sgd : public Optimizer {
 public:
  std::string_view type() const override { return "sgd"; }
  void keys(Keys& keys) override;
  int moments() const override { return momentum > 0 ? 1 : 0; }

  double momentum = 0;
  bool nesterov = false;
};

std::unique_ptr<OptimizerKernel> make_sgd_cpu(const Optimizer& optimizer, Device& device);
std::unique_ptr<OptimizerKernel> make_sgd_cuda(const Optimizer& optimizer, Device& device);

}  // namespace engine
