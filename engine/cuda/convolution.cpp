#include "engine/cuda/convolution.h"

#include <fmt/format.h>

namespace engine {

std::string_view to_string(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::forward:
      return "forward";
    case ConvolutionPass::backward_data:
      return "backward data";
    case ConvolutionPass::backward_filter:
      return "backward filter";
  }
  return "";
}

std::string name_of(const ConvolutionShape& shape, ConvolutionPass pass) {
  return fmt::format("{} convolution {} of {} images of {} with {} filters of {}x{}",
                     to_string(shape.precision), to_string(pass), shape.input.n,
                     to_string(shape.input), shape.output.c, shape.window.kernel_h,
                     shape.window.kernel_w);
}

}  // namespace engine
