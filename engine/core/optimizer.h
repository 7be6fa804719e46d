#pragma once

// The contract of an optimizer. Parameters, gradients and moments are flat arenas, so an update is
// one pass over them, whatever the network looks like.

#include <memory>
#include <string_view>

#include "engine/core/device.h"
#include "engine/core/keys.h"
#include "engine/core/step.h"
#include "engine/core/tensor.h"

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
  double weight_decay = 0;  ///< L2 term added to the gradient; decoupled for adamw
  double clip_norm = 0;     ///< gradients are scaled down to this Euclidean norm; 0: off

 protected:
  void common_keys(Keys& keys);
};

/// All pointers are to device memory.
struct UpdateArgs {
  StepState* state;
  const float* learning_rates;  ///< the rate of step s is element s - state->rates_from
  int64_t samples;              ///< of this step's batch
  float* parameters;
  /// The trainable parameters again in the type of the gradients, for the update to write; null
  /// where that is float32.
  void* operands;
  const void* gradients;
  DType gradient_type;    ///< f32 or bf16
  float* const* moments;  ///< moments() arenas
  int64_t elements;
  /// Parameters that are state (running statistics), and how they were before the step.
  float* state_parameters;
  const float* state_parameters_before;
  int64_t state_elements;
};

/// An optimizer on a device, and the end of a step. Finds the gradient's norm first (fixed order of
/// summation, the same for every thread count). If it or a parameter is not finite, or the loss was
/// not, the step has not been: nonfinite is set, the sums and the state parameters are put back,
/// all else stays. Otherwise updates all parameters and advances step and position.
class OptimizerKernel {
 public:
  virtual ~OptimizerKernel() = default;
  virtual void update(const UpdateArgs& args) = 0;
};

using OptimizerFactory = std::unique_ptr<OptimizerKernel> (*)(const Optimizer&, Device&);

}  // namespace engine
