#include "kernels/nn/activation.h"
#include "kernels/nn/activation_math.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {
namespace {

template <Activation F>
struct Value {
  __device__ float operator()(const float (&x)[1]) const { return activate<F>(x[0]); }
};

/// x[0]: what the slope is a function of, see activation_slope(); x[1]: the gradient.
template <Activation F>
struct Slope {
  __device__ float operator()(const float (&x)[2]) const {
    return x[1] * activation_slope<F>(x[0]);
  }
};

/// Forward moves 8 bytes an element, backward 12.
class ActivationCuda : public Kernel {
 public:
  explicit ActivationCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        function_(static_cast<const ActivationOp&>(setup.op).function) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    with_activation(function_, [&](auto function) {
      constexpr Activation F = decltype(function)::value;
      map_elements(device_, "activation_forward", Value<F>{}, {args.x[0]}, args.y);
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    with_activation(function_, [&](auto function) {
      constexpr Activation F = decltype(function)::value;
      constexpr bool kByValue = F == Activation::relu || F == Activation::tanh;
      map_elements(device_, "activation_backward", Slope<F>{},
                   {kByValue ? args.y : args.x[0], args.dy}, args.dx[0]);
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
  Activation function_;
};

}  // namespace

std::unique_ptr<Kernel> make_activation_cuda(const KernelSetup& setup) {
  return make_kernel<ActivationCuda>(setup);
}

}  // namespace engine
