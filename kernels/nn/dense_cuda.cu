#include "kernels/nn/convolution_kernel_cuda.h"
#include "kernels/nn/dense.h"

namespace engine {

/// A dense layer is a 1x1 convolution of one pixel.
std::unique_ptr<Kernel> make_dense_cuda(const KernelSetup& setup) {
  const auto& op = static_cast<const Dense&>(setup.op);
  return std::make_unique<ConvolutionKernelCuda>(
      setup,
      ConvolutionShape{.input = setup.inputs[0],
                       .output = setup.output,
                       .window = {.out_h = 1, .out_w = 1},
                       .bias = op.bias,
                       .precision = setup.precision},
      op.activation, false);
}

}  // namespace engine
