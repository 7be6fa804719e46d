#include "kernels/nn/conv2d.h"
#include "kernels/nn/convolution_kernel_cuda.h"

namespace engine {

std::unique_ptr<Kernel> make_conv2d_cuda(const KernelSetup& setup) {
  const auto& op = static_cast<const Conv2d&>(setup.op);
  return std::make_unique<ConvolutionKernelCuda>(
      setup,
      ConvolutionShape{.input = setup.inputs[0],
                       .output = setup.output,
                       .window = op.window(setup.inputs[0]),
                       .groups = op.groups,
                       .bias = op.bias,
                       .precision = setup.precision},
      op.activation, op.outer_gradient);
}

}  // namespace engine
