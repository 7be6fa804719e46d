#include "kernels/fused/stem.h"

#include <algorithm>

#include "engine/core/error.h"

namespace engine {
namespace {

/// Pixels that so many neighbouring windows lie on.
int64_t reach(int64_t windows, int64_t stride, int64_t kernel) {
  return (windows - 1) * stride + kernel;
}

}  // namespace

std::optional<StemTile> StemTile::largest(const Window& conv, const Window& pool,
                                          int64_t channels) {
  int64_t height = pool.out_h, width = pool.out_w;
  while (true) {
    const int64_t rows = std::min(reach(height, pool.stride_h, pool.kernel_h), conv.out_h);
    const int64_t columns = std::min(reach(width, pool.stride_w, pool.kernel_w), conv.out_w);
    const int64_t patch_rows = reach(rows, conv.stride_h, conv.kernel_h);
    const int64_t patch_columns = reach(columns, conv.stride_w, conv.kernel_w);
    // An odd pitch: rows that a warp looks at together begin in different banks.
    const StemTile tile{height, width, rows * columns, patch_columns * channels | 1};
    const int64_t patch = patch_rows * tile.patch_pitch + kTaps;  // the last taps may look beyond
    const int64_t weights = conv.kernel_h * conv.kernel_w * channels * kWeightPitch;
    if (patch <= kPatchFloats && weights + tile.outputs * kFilters + patch <= kFloats) return tile;
    if (height == 1 && width == 1) return std::nullopt;
    const bool cut_rows = width == 1 || (height > 1 && rows >= columns);
    int64_t& longer = cut_rows ? height : width;
    longer = (longer + 1) / 2;
  }
}

std::shared_ptr<const Op> Stem::of(const Conv2d& conv, const MaxPool& pool, const Shape& input) {
  const bool plain = conv.activation == Activation::relu && conv.bias && conv.groups == 1 &&
                     conv.dilation.h == 1 && conv.dilation.w == 1 && input.c <= kMostChannels &&
                     pool.kernel.h <= kMostPlaces / pool.kernel.w;
  if (!plain) return nullptr;
  const Window window = conv.window(input);
  const Shape between{input.n, window.out_h, window.out_w, conv.filters};
  if (!StemTile::largest(window, pool.window(between), input.c)) return nullptr;
  auto stem = std::make_shared<Stem>();
  stem->conv = conv;
  stem->pool = pool;
  return stem;
}

void Stem::keys(Keys& keys) {
  keys.integer("filters", conv.filters,
               {.doc = "Number of output channels.", .required = true, .minimum = 1});
  keys.custom("kernel", conv.kernel, {.doc = "The convolution's window.", .required = true});
  keys.custom("stride", conv.stride, {.doc = "Step of the convolution's window."});
  keys.custom("padding", conv.padding, {.doc = "Pixels added around the image."});
  initializer_key(keys, "initializer", conv.initializer, "How the weights start.");
  keys.custom("pool_kernel", pool.kernel, {.doc = "The pool's window.", .required = true});
  keys.custom("pool_stride", pool.stride, {.doc = "Step of the pool's window.", .required = true});
  keys.custom("pool_padding", pool.padding, {.doc = "Pixels added before the pool."});
}

Signature Stem::infer(std::span<const Shape> inputs, const InferContext& context) const {
  Signature signature = conv.infer(inputs, context);
  signature.output = pool.infer(std::span(&signature.output, 1), context).output;
  if (!of(conv, pool, inputs[0])) {
    fail(ExitCode::experiment, "{} cannot be a stem", to_string(inputs[0]));
  }
  return signature;
}

std::string Stem::brief() const {
  return conv.brief() + ", max_pool " + pool.brief();
}

}  // namespace engine
