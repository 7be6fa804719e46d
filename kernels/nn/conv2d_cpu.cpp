#include "kernels/nn/conv2d.h"
#include "kernels/nn/convolution_kernel_cpu.h"

namespace engine {

std::unique_ptr<Convolution> make_convolution(const ConvolutionGeometry& geometry, bool training,
                                              bool needs_dx) {
  constexpr int64_t kFewChannels = 4;
  constexpr int64_t kOnednnBlock = 8;
  const Window& w = geometry.window;
  const bool dilated = (w.kernel_h > 1 && w.dilation_h > 1) || (w.kernel_w > 1 && w.dilation_w > 1);
  const bool plain = geometry.groups == 1 && !dilated;
  const bool every_pixel = plain && w.stride_h == 1 && w.stride_w == 1;
  const bool square = w.kernel_h == w.kernel_w;
  if (every_pixel && square && w.kernel_h == 1 && w.padding == Margins{}) {
    return make_pointwise(geometry);
  }
  if (plain && geometry.input.c <= kFewChannels) return make_few_channels(geometry);
  // oneDNN 3.2 writes out of bounds in the weight gradient of strided 1x1 convolutions of NHWC
  // tensors with less than 8 channels (its issue 6035).
  if (plain && geometry.taps() == 1 && geometry.input.c < kOnednnBlock) {
    return make_few_channels(geometry);
  }
  if (every_pixel && square && (w.kernel_h == 3 || w.kernel_h == 5)) return make_winograd(geometry);
  return make_onednn_convolution(geometry, training, needs_dx);
}

std::unique_ptr<Kernel> make_conv2d_cpu(const KernelSetup& setup) {
  const auto& op = static_cast<const Conv2d&>(setup.op);
  const Shape& input = setup.inputs[0];
  return std::make_unique<ConvolutionKernel>(
      setup,
      ConvolutionGeometry{
          .input = input, .output = setup.output, .window = op.window(input), .groups = op.groups},
      op.activation);
}

}  // namespace engine
