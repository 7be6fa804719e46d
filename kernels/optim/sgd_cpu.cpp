#include "engine/cpu/parallel.h"
#include "kernels/optim/arena_cpu.h"
#include "kernels/optim/sgd.h"

namespace engine {
namespace {

constexpr int64_t kGrain = 4096;

class SgdCpu : public ArenaOptimizer {
 public:
  explicit SgdCpu(const Sgd& sgd)
      : ArenaOptimizer(sgd), momentum_(static_cast<float>(sgd.momentum)), nesterov_(sgd.nesterov) {}

 protected:
  void apply(const UpdateArgs& args, float rate, float scale, uint64_t) override {
    if (momentum_ > 0) {
      with_momentum(args, rate, scale);
    } else {
      plain(args, rate, scale);
    }
  }

 private:
  void plain(const UpdateArgs& args, float rate, float scale) const {
    float* p = args.parameters;
    const auto* g = static_cast<const float*>(args.gradients);
    const float decay = weight_decay_;
    parallel_ranges(args.elements, kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) p[i] -= rate * (g[i] * scale + decay * p[i]);
    });
  }

  void with_momentum(const UpdateArgs& args, float rate, float scale) const {
    float *p = args.parameters, *m = args.moments[0];
    const auto* g = static_cast<const float*>(args.gradients);
    const float decay = weight_decay_, keep = momentum_;
    const float look_ahead = nesterov_ ? keep : 1.0f, now = nesterov_ ? 1.0f : 0.0f;
    parallel_ranges(args.elements, kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float gradient = g[i] * scale + decay * p[i];
        const float mean = keep * m[i] + gradient;
        m[i] = mean;
        p[i] -= rate * (now * gradient + look_ahead * mean);
      }
    });
  }

  float momentum_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<OptimizerKernel> make_sgd_cpu(const Optimizer& optimizer, Device&) {
  return std::make_unique<SgdCpu>(static_cast<const Sgd&>(optimizer));
}

}  // namespace engine
