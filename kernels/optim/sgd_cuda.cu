#include "kernels/optim/arena_cuda.h"
#include "kernels/optim/sgd.h"

namespace engine {
namespace {

/// 12 bytes a parameter, with momentum 20.
struct SgdRule {
  float momentum, look_ahead, now;
  float rate = 0;  // of this step

  __device__ void prepare(const StepDecision& decision) { rate = decision.rate; }
  __device__ void step(float& p, float g, float& m, float&) const {
    m = momentum * m + g;
    p -= rate * (now * g + look_ahead * m);
  }
};

class SgdCuda : public ArenaOptimizerCuda {
 public:
  SgdCuda(const Sgd& sgd, Device& device)
      : ArenaOptimizerCuda(sgd, device),
        rule_{.momentum = static_cast<float>(sgd.momentum),
              .look_ahead = sgd.nesterov ? static_cast<float>(sgd.momentum) : 1.0f,
              .now = sgd.nesterov ? 1.0f : 0.0f},
        moments_(sgd.moments()) {}

 protected:
  void apply(const UpdateArgs& args, const StepDecision* decision) override {
    launch_update(device_, "sgd", rule_, args, moments_, weight_decay_, decision);
  }

 private:
  SgdRule rule_;
  int moments_;
};

}  // namespace

std::unique_ptr<OptimizerKernel> make_sgd_cuda(const Optimizer& optimizer, Device& device) {
  return std::make_unique<SgdCuda>(static_cast<const Sgd&>(optimizer), device);
}

}  // namespace engine
