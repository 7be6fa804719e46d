#include <cmath>

#include "engine/cpu/parallel.h"
#include "kernels/optim/adam.h"
#include "kernels/optim/arena_cpu.h"

namespace engine {
namespace {

constexpr int64_t kGrain = 4096;

/// Reads p, g, m, v and writes p, m, v once each: seven floats of traffic for each parameter.
class AdamCpu : public ArenaOptimizer {
 public:
  AdamCpu(const Adam& adam, bool decoupled)
      : ArenaOptimizer(adam),
        beta1_(adam.beta1),
        beta2_(adam.beta2),
        epsilon_(static_cast<float>(adam.epsilon)),
        decoupled_(decoupled) {}

 protected:
  void apply(const UpdateArgs& args, float rate, float scale, uint64_t t) override {
    const double correction1 = 1 - std::pow(beta1_, static_cast<double>(t));
    const double correction2 = 1 - std::pow(beta2_, static_cast<double>(t));
    const float step = static_cast<float>(rate / correction1);
    const float root = static_cast<float>(1 / std::sqrt(correction2));
    const float keep = decoupled_ ? 1 - rate * weight_decay_ : 1;
    const float decay = decoupled_ ? 0 : weight_decay_;
    const float b1 = static_cast<float>(beta1_), a1 = static_cast<float>(1 - beta1_);
    const float b2 = static_cast<float>(beta2_), a2 = static_cast<float>(1 - beta2_);
    const float tiny = epsilon_;
    float *p = args.parameters, *m = args.moments[0], *v = args.moments[1];
    const auto* g = static_cast<const float*>(args.gradients);
    parallel_ranges(args.elements, kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float gradient = g[i] * scale + decay * p[i];
        const float mean = b1 * m[i] + a1 * gradient;
        const float square = b2 * v[i] + a2 * gradient * gradient;
        m[i] = mean;
        v[i] = square;
        p[i] = keep * p[i] - step * mean / (std::sqrt(square) * root + tiny);
      }
    });
  }

 private:
  double beta1_, beta2_;
  float epsilon_;
  bool decoupled_;
};

}  // namespace

std::unique_ptr<OptimizerKernel> make_adam_cpu(const Optimizer& optimizer, Device&) {
  return std::make_unique<AdamCpu>(static_cast<const Adam&>(optimizer), false);
}

std::unique_ptr<OptimizerKernel> make_adamw_cpu(const Optimizer& optimizer, Device&) {
  return std::make_unique<AdamCpu>(static_cast<const Adam&>(optimizer), true);
}

}  // namespace engine
