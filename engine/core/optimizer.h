#pragma once

// The contract of an optimizer. Parameters, gradients and moments are flat arenas, so an update is
// one pass over them, whatever the network looks like.

#include <memory>
#include <string_view>

#include "engine/core/device.h"
#include "engine/core/keys.h"
#include "engine/core/step.h"

namespace engine {

/// A configured optimizer: "type" and its keys in an experiment's train.optimizer.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual std::string_view type() const = 0;  ///< "adam"
  virtual void keys(Keys& keys) = 0;          ///< calls common_keys() first
  /// Arenas of the size of the parameters that it keeps (adam: 2), zero at the start.
  virtual int moments() const = 0;

  double learning_rate = 1e-3;
  double weight_decay = 0;   ///< L2 term added to the gradient; decoupled for adamw
  double clip_norm = 0;      ///< gradients are scaled down to this Euclidean norm; 0: off

 protected:
  void common_keys(Keys& keys);
};

struct UpdateArgs {
  StepState* state;          ///< reads learning_rate and step; writes gradient_norm, nonfinite
  float* parameters;
  const float* gradients;
  float* const* moments;     ///< moments() arenas
  int64_t elements;
};

/// An optimizer on a device. Finds the gradient's norm first (fixed order of summation, the same for
/// every thread count); if it is not finite, sets state->nonfinite and changes nothing. Otherwise
/// updates everything and advances state->step.
class OptimizerKernel {
 public:
  virtual ~OptimizerKernel() = default;
  virtual void update(const UpdateArgs& args) = 0;
};

using OptimizerFactory = std::unique_ptr<OptimizerKernel> (*)(const Optimizer&, Device&);

}  // namespace engine
