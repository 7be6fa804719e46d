#pragma once

// What the GPU's optimizers share: a first launch reads the gradients and parameters once for the
// norm and the check, and its last block decides what the step is; a second goes over all arenas
// once.

#include "engine/core/optimizer.h"
#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"

namespace engine {

/// What the update's threads need to know of the step. Device memory, written by the first launch.
struct StepDecision {
  uint32_t applies;   ///< 0: something was not finite
  float rate, scale;  ///< learning rate; factor that clips the gradients
  double t;           ///< the step's number, from 1
  uint32_t ticket;    ///< blocks of the first launch that are done
};

class ArenaOptimizerCuda : public OptimizerKernel {
 public:
  ArenaOptimizerCuda(const Optimizer& optimizer, Device& device);
  void update(const UpdateArgs& args) final;

 protected:
  /// Queues the pass over the arenas, which must do nothing where decision->applies is 0.
  virtual void apply(const UpdateArgs& args, const StepDecision* decision) = 0;

  CudaDevice& device_;
  float weight_decay_;

 private:
  double clip_norm_;
  Buffer partial_, decision_;
};

/// One element's new value from its gradient, parameter and moments: Rule is a struct with
/// prepare(decision), once a thread, and step(p, g, m0, m1), where g counts with scale and L2
/// decay. operands: the new values again, rounded to the gradients' type; null: none.
template <class Rule, class G>
__global__ void update_arenas(Rule rule, float* p, G* operands, const G* g, float* m0, float* m1,
                              uint32_t count, float l2, const StepDecision* decision) {
  if (!decision->applies) return;
  rule.prepare(*decision);
  const float scale = decision->scale;
  for (uint32_t i = first_item(); i < count; i += item_stride()) {
    float parameter = p[i];
    float first = m0 ? m0[i] : 0, second = m1 ? m1[i] : 0;
    rule.step(parameter, to_float(g[i]) * scale + l2 * parameter, first, second);
    p[i] = parameter;
    if (operands) assign(operands[i], parameter);
    if (m0) m0[i] = first;
    if (m1) m1[i] = second;
  }
}

template <class Rule>
void launch_update(const CudaDevice& device, const char* name, const Rule& rule,
                   const UpdateArgs& args, int moments, float l2, const StepDecision* decision) {
  with_type(args.gradient_type, [&](auto type) {
    using G = typename decltype(type)::type;
    const size_t each = 2 * sizeof(float) * static_cast<size_t>(1 + moments) + sizeof(G) +
                        (args.operands ? sizeof(G) : 0);
    launch_over(device, {name, static_cast<double>(args.elements) * static_cast<double>(each)},
                args.elements, update_arenas<Rule, G>, rule, args.parameters,
                static_cast<G*>(args.operands), static_cast<const G*>(args.gradients),
                moments > 0 ? args.moments[0] : nullptr, moments > 1 ? args.moments[1] : nullptr,
                static_cast<uint32_t>(args.elements), l2, decision);
  });
}

}  // namespace engine
