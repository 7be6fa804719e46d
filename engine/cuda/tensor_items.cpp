#include "engine/cuda/tensor_items.h"

#include "engine/core/error.h"

namespace engine {

Items items_of(const Shape& shape, int v) {
  const int64_t count = shape.elements() / v;
  if (count >= int64_t{1} << 31) {
    fail(ExitCode::experiment,
         "a tensor of {} images of {} has too many elements for the GPU's kernels: a smaller "
         "batch_size helps",
         shape.n, to_string(shape));
  }
  return {static_cast<uint32_t>(count), Divider(static_cast<uint32_t>(shape.c / v))};
}

int channels_at_once(std::span<const TensorView> tensors) {
  for (const TensorView& tensor : tensors) {
    if (!tensor) continue;
    const auto address = reinterpret_cast<uintptr_t>(tensor.data);
    if (tensor.shape.c % 4 || tensor.pitch % 4 || address % 16) return 1;
  }
  return 4;
}

}  // namespace engine
