#include "kernels/optim/arena_cuda.h"
#include "kernels/optim/rmsprop.h"

namespace engine {
namespace {

/// 20 bytes a parameter, with momentum 28.
struct RmsPropRule {
  float rho, rest, momentum, epsilon;
  float rate = 0;  // of this step

  __device__ void prepare(const StepDecision& decision) { rate = decision.rate; }
  __device__ void step(float& p, float g, float& v, float& m) const {
    v = rho * v + rest * g * g;
    m = momentum * m + g / (sqrtf(v) + epsilon);
    p -= rate * m;
  }
};

class RmsPropCuda : public ArenaOptimizerCuda {
 public:
  RmsPropCuda(const RmsProp& rmsprop, Device& device)
      : ArenaOptimizerCuda(rmsprop, device),
        rule_{.rho = static_cast<float>(rmsprop.rho),
              .rest = static_cast<float>(1 - rmsprop.rho),
              .momentum = static_cast<float>(rmsprop.momentum),
              .epsilon = static_cast<float>(rmsprop.epsilon)},
        moments_(rmsprop.moments()) {}

 protected:
  void apply(const UpdateArgs& args, const StepDecision* decision) override {
    launch_update(device_, "rmsprop", rule_, args, moments_, weight_decay_, decision);
  }

 private:
  RmsPropRule rule_;
  int moments_;
};

}  // namespace

std::unique_ptr<OptimizerKernel> make_rmsprop_cuda(const Optimizer& optimizer, Device& device) {
  return std::make_unique<RmsPropCuda>(static_cast<const RmsProp&>(optimizer), device);
}

}  // namespace engine
