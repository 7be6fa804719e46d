#include "engine/cuda/convolution.h"

#include <fmt/format.h>

#include <array>

#include "engine/core/error.h"

namespace engine {

bool ConvolutionShape::pointwise() const {
  const Margins& padding = window.padding;
  return taps() == 1 && groups == 1 && window.stride_h == 1 && window.stride_w == 1 &&
         padding.top == 0 && padding.bottom == 0 && padding.left == 0 && padding.right == 0;
}

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

double moved_bytes(const ConvolutionShape& shape, ConvolutionPass pass) {
  const int64_t bias = shape.bias && pass == ConvolutionPass::forward ? shape.output.c : 0;
  const int64_t elements =
      shape.input.elements() + shape.output.elements() + shape.weights() + bias;
  return static_cast<double>(elements) *
         static_cast<double>(size_of(storage_type(shape.precision)));
}

std::string repacked_tensors(const ConvolutionShape& shape, size_t workspace_bytes) {
  constexpr int64_t kSlack = 1024;  // for what else an engine keeps there
  const auto element = static_cast<int64_t>(size_of(storage_type(shape.precision)));
  const auto workspace = static_cast<int64_t>(workspace_bytes);
  const auto padded = [&](int64_t channels, int64_t multiple) {
    return (channels + multiple - 1) / multiple * multiple;
  };
  for (const int64_t multiple : {int64_t{1}, 16 / element}) {
    const int64_t ins = padded(shape.in_of_group(), multiple);
    const std::array sizes{shape.input.pixels() * ins * shape.groups * element,
                           shape.output.c * shape.taps() * ins * element,
                           shape.output.pixels() * padded(shape.output.c, multiple) * element};
    // All three, or with x, or without it: where x and y are as large, it is more often x.
    for (const unsigned subset : {7u, 3u, 5u, 1u, 6u, 2u, 4u}) {
      int64_t sum = 0;
      std::vector<std::string_view> names;
      for (size_t i = 0; i < sizes.size(); ++i) {
        if ((subset >> i & 1) == 0) continue;
        sum += sizes[i];
        names.push_back(std::array{"x", "w", "y"}[i]);
      }
      if (sum <= workspace && workspace < sum + kSlack && sum > kSlack) {
        return fmt::format("{}", fmt::join(names, names.size() == 3 ? ", " : " and "));
      }
    }
  }
  return {};
}

void require_planned(bool planned, std::string_view tensor) {
  if (!planned) fail(ExitCode::internal, "{} of a convolution does not lie as planned", tensor);
}

void note_plan(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass,
               const std::string& engine, size_t workspace_bytes) {
  const std::string repacked = repacked_tensors(shape, workspace_bytes);
  device.list()->add(LaunchList::Plan{.pass = std::string(to_string(pass)),
                                      .engine = engine,
                                      .workspace_bytes = workspace_bytes,
                                      .note = repacked.empty() ? "" : "repacks " + repacked});
}

}  // namespace engine
