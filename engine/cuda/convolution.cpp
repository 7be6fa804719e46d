#include "engine/cuda/convolution.h"

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

}  // namespace engine
