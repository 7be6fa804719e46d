#include "kernels/nn/max_pool.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"

namespace engine {

Signature MaxPool::infer(std::span<const Shape> inputs, const InferContext& context) const {
  Signature signature = Pool::infer(inputs, context);
  constexpr int64_t kMostPlaces = 65536;  // the winner's place in the window is kept in 16 bits
  if (kernel.h > kMostPlaces / kernel.w) {
    fail(ExitCode::experiment, "a window of {}x{} is too large: at most {} places", kernel.h,
         kernel.w, kMostPlaces);
  }
  return signature;
}

PortableValue MaxPool::portable(const PortableNode& node) const {
  return node.graph.node("MaxPool", {node.graph.as_image(node.inputs[0])},
                         portable_window(window(node.shapes[0])));
}

}  // namespace engine
