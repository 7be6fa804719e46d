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

double bytes_of(const TensorView& view) {
  return view
             ? static_cast<double>(view.shape.elements()) * static_cast<double>(size_of(view.dtype))
             : 0;
}

int channels_at_once(std::span<const TensorView> tensors) {
  constexpr size_t kBytes = 16;
  const auto most = static_cast<int64_t>(kBytes / size_of(tensors[0].dtype));
  for (const TensorView& tensor : tensors) {
    if (!tensor) continue;
    const auto address = reinterpret_cast<uintptr_t>(tensor.data);
    if (tensor.shape.c % most || tensor.pitch % most || address % kBytes) return 1;
  }
  return static_cast<int>(most);
}

}  // namespace engine
