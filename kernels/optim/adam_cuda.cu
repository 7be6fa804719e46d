#include "kernels/optim/adam.h"
#include "kernels/optim/arena_cuda.h"

namespace engine {
namespace {

/// Reads p, g, m, v and writes p, m, v: 28 bytes a parameter.
struct AdamRule {
  double beta1, beta2;
  float epsilon, decoupled_decay;
  float step_size = 0, root = 0, keep = 1;  // of this step

  __device__ void prepare(const StepDecision& decision) {
    const double correction1 = 1 - pow(beta1, decision.t);
    const double correction2 = 1 - pow(beta2, decision.t);
    step_size = static_cast<float>(decision.rate / correction1);
    root = static_cast<float>(1 / sqrt(correction2));
    keep = 1 - decision.rate * decoupled_decay;
  }
  __device__ void step(float& p, float g, float& m, float& v) const {
    const auto b1 = static_cast<float>(beta1), a1 = static_cast<float>(1 - beta1);
    const auto b2 = static_cast<float>(beta2), a2 = static_cast<float>(1 - beta2);
    m = b1 * m + a1 * g;
    v = b2 * v + a2 * g * g;
    p = keep * p - step_size * m / (sqrtf(v) * root + epsilon);
  }
};

class AdamCuda : public ArenaOptimizerCuda {
 public:
  AdamCuda(const Adam& adam, Device& device, bool decoupled)
      : ArenaOptimizerCuda(adam, device),
        rule_{.beta1 = adam.beta1,
              .beta2 = adam.beta2,
              .epsilon = static_cast<float>(adam.epsilon),
              .decoupled_decay = decoupled ? weight_decay_ : 0},
        l2_(decoupled ? 0 : weight_decay_) {}

 protected:
  void apply(const UpdateArgs& args, const StepDecision* decision) override {
    launch_update(device_, "adam", rule_, args, 2, l2_, decision);
  }

 private:
  AdamRule rule_;
  float l2_;
};

}  // namespace

std::unique_ptr<OptimizerKernel> make_adam_cuda(const Optimizer& optimizer, Device& device) {
  return std::make_unique<AdamCuda>(static_cast<const Adam&>(optimizer), device, false);
}

std::unique_ptr<OptimizerKernel> make_adamw_cuda(const Optimizer& optimizer, Device& device) {
  return std::make_unique<AdamCuda>(static_cast<const Adam&>(optimizer), device, true);
}

}  // namespace engine
