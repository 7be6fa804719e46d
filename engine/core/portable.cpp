#include "engine/core/portable.h"

#include <algorithm>

#include "engine/core/attributes.h"

namespace engine {

std::vector<PortableValue> PortableNode::inputs_alike() const {
  const auto is_vector = [](const PortableValue& value) { return value.vector; };
  std::vector<PortableValue> alike(inputs.begin(), inputs.end());
  if (std::all_of(alike.begin(), alike.end(), is_vector)) return alike;
  for (PortableValue& value : alike) value = graph.as_image(value);
  return alike;
}

std::vector<PortableAttribute> portable_window(const Window& window) {
  const auto& [top, bottom, left, right] = window.padding;
  return {{"kernel_shape", std::vector{window.kernel_h, window.kernel_w}},
          {"strides", std::vector{window.stride_h, window.stride_w}},
          {"pads", std::vector{top, left, bottom, right}}};
}

}  // namespace engine
