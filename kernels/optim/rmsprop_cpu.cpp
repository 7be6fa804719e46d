#include <cmath>

#include "engine/cpu/parallel.h"
#include "kernels/optim/arena_cpu.h"
#include "kernels/optim/rmsprop.h"

namespace engine {
namespace {

constexpr int64_t kGrain = 4096;

class RmsPropCpu : public ArenaOptimizer {
 public:
  explicit RmsPropCpu(const RmsProp& rmsprop)
      : ArenaOptimizer(rmsprop),
        rho_(static_cast<float>(rmsprop.rho)),
        rest_(static_cast<float>(1 - rmsprop.rho)),
        momentum_(static_cast<float>(rmsprop.momentum)),
        epsilon_(static_cast<float>(rmsprop.epsilon)) {}

 protected:
  void apply(const UpdateArgs& args, float rate, float scale, uint64_t) override {
    if (momentum_ > 0) {
      run<true>(args, rate, scale);
    } else {
      run<false>(args, rate, scale);
    }
  }

 private:
  template <bool Momentum>
  void run(const UpdateArgs& args, float rate, float scale) const {
    float *p = args.parameters, *v = args.moments[0], *m = Momentum ? args.moments[1] : nullptr;
    const auto* g = static_cast<const float*>(args.gradients);
    const float decay = weight_decay_, rho = rho_, rest = rest_, keep = momentum_, tiny = epsilon_;
    parallel_ranges(args.elements, kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float gradient = g[i] * scale + decay * p[i];
        const float square = rho * v[i] + rest * gradient * gradient;
        v[i] = square;
        float step = gradient / (std::sqrt(square) + tiny);
        if constexpr (Momentum) m[i] = step = keep * m[i] + step;
        p[i] -= rate * step;
      }
    });
  }

  float rho_, rest_, momentum_, epsilon_;
};

}  // namespace

std::unique_ptr<OptimizerKernel> make_rmsprop_cpu(const Optimizer& optimizer, Device&) {
  return std::make_unique<RmsPropCpu>(static_cast<const RmsProp&>(optimizer));
}

}  // namespace engine
