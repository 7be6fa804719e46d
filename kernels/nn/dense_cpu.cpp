#include "kernels/nn/convolution_kernel_cpu.h"
#include "kernels/nn/dense.h"

namespace engine {

/// A dense layer is a 1x1 convolution of one pixel.
std::unique_ptr<Kernel> make_dense_cpu(const KernelSetup& setup) {
  const auto& op = static_cast<const Dense&>(setup.op);
  const Window window{.out_h = 1, .out_w = 1};
  return std::make_unique<ConvolutionKernel>(
      setup,
      ConvolutionGeometry{.input = setup.inputs[0], .output = setup.output, .window = window},
      op.activation);
}

}  // namespace engine
