#include "kernels/nn/activation.h"
#include "kernels/nn/activation_math.h"
#include "kernels/nn/elements_cpu.h"

namespace engine {
namespace {

/// Reads x and writes y once; backward reads dy and x (or y) and writes dx once.
class ActivationCpu : public Kernel {
 public:
  explicit ActivationCpu(const KernelSetup& setup)
      : Kernel(setup), function_(static_cast<const ActivationOp&>(setup.op).function) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    with_activation(function_, [&](auto function) {
      constexpr Activation kFunction = decltype(function)::value;
      for_elements(
          [](int64_t count, const float* x, float* y) {
#pragma omp simd
            for (int64_t i = 0; i < count; ++i) y[i] = activate<kFunction>(x[i]);
          },
          args.x[0], args.y);
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    with_activation(function_, [&](auto function) {
      constexpr Activation kFunction = decltype(function)::value;
      constexpr bool kByValue = kFunction == Activation::relu || kFunction == Activation::tanh;
      for_elements(
          [](int64_t count, const float* v, const float* dy, float* dx) {
#pragma omp simd
            for (int64_t i = 0; i < count; ++i) {
              dx[i] = dy[i] * activation_slope<kFunction>(v[i]);
            }
          },
          kByValue ? args.y : args.x[0], args.dy, args.dx[0]);
    });
  }

 private:
  Activation function_;
};

}  // namespace

std::unique_ptr<Kernel> make_activation_cpu(const KernelSetup& setup) {
  return make_kernel<ActivationCpu>(setup);
}

}  // namespace engine
