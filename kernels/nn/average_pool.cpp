#include "kernels/nn/average_pool.h"

#include "engine/core/portable.h"

namespace engine {

void AveragePool::keys(Keys& keys) {
  Pool::keys(keys);
  keys.boolean("count_include_padding", count_include_padding,
               {.doc = "Divide by the window's size even where padding is part of the window."});
}

PortableValue AveragePool::portable(const PortableNode& node) const {
  auto attributes = portable_window(window(node.shapes[0]));
  attributes.push_back({"count_include_pad", int64_t{count_include_padding}});
  return node.graph.node("AveragePool", {node.graph.as_image(node.inputs[0])}, attributes);
}

}  // namespace engine
