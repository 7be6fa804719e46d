#include "kernels/fused/stem.h"

#include <algorithm>

#include "engine/cuda/launch.h"
#include "kernels/fused/stem_backward_cuda.h"
#include "kernels/fused/stem_forward_cuda.h"
#include "kernels/nn/filter_layout_cuda.h"

namespace engine {
namespace {

constexpr int kFilters = StemTile::kFilters;

StemShape shape_of(const Stem& op, const Shape& input, const Shape& output) {
  const Window window = op.conv.window(input);
  const Shape between{input.n, window.out_h, window.out_w, output.c};
  const PoolGeometryOf<int> conv(input, window);
  const PoolGeometryOf<int> pool(between, op.pool.window(between));
  const StemTile tile = *StemTile::largest(window, op.pool.window(between), input.c);
  return {.conv_y = conv.y,
          .conv_x = conv.x,
          .pool_y = pool.y,
          .pool_x = pool.x,
          .channels = static_cast<int>(input.c),
          .filters = static_cast<int>(output.c),
          .tile_height = static_cast<int>(tile.height),
          .tile_width = static_cast<int>(tile.width),
          .outputs = static_cast<int>(tile.outputs),
          .patch_pitch = static_cast<int>(tile.patch_pitch)};
}

class StemCuda : public Kernel {
 public:
  explicit StemCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        shape_(shape_of(static_cast<const Stem&>(setup.op), setup.inputs[0], setup.output)),
        pooled_(items_of(setup.output, 1).count),
        training_(setup.training) {
    constexpr int kMostBlocks = 1024;  // of the grid: they fill a large GPU, and leave few rows
    const int shares = shape_.conv_y.kernel * ((shape_.row_taps() + kStemTaps - 1) / kStemTaps);
    warps_ = std::min(shares, kStemWarps);
    filter_blocks_ = (shape_.filters + kFilters - 1) / kFilters;
    tap_blocks_ = (shares + warps_ - 1) / warps_;
    tiles_.count = static_cast<int>(setup.output.n) * shape_.tiles();
    const int most = std::max(kMostBlocks / (filter_blocks_ * tap_blocks_), 1);
    tiles_.size = (tiles_.count + most - 1) / most;
    tiles_.blocks = (tiles_.count + tiles_.size - 1) / tiles_.size;
  }

  bool takes_pitch() const override { return true; }
  size_t saved_bytes() const override { return training_ ? pooled_ : 0; }
  size_t workspace_bytes() const override {
    return training_ ? static_cast<size_t>(tiles_.blocks) * gradients() * sizeof(float) : 0;
  }

  void forward(const ForwardArgs& args) override {
    const TensorView tensors[] = {args.y};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = std::min(decltype(v)::value, 4);  // floats in shared memory at once
      const auto kernel = training_ ? stem_forward<T, V, true> : stem_forward<T, V, false>;
      const double bytes =
          bytes_of(args.x[0]) + bytes_of(args.y) + static_cast<double>(saved_bytes());
      launch(device_, {"stem_forward", bytes}, dim3(tiles_.count, filter_blocks_), kStemThreads,
             kernel, slice<T>(args.x[0]), static_cast<const T*>(args.operands[0]),
             static_cast<const T*>(args.operands[1]), slice<T>(args.y),
             static_cast<uint8_t*>(args.saved), shape_);
    });
  }

  void backward(const BackwardArgs& args) override {
    with_type(args.dy.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      auto* const partial = static_cast<float*>(args.workspace);
      const auto rows = static_cast<double>(workspace_bytes());
      const double bytes =
          bytes_of(args.x[0]) + bytes_of(args.dy) + static_cast<double>(saved_bytes()) + rows;
      launch(device_, {"stem_backward", bytes}, dim3(tiles_.blocks, filter_blocks_, tap_blocks_),
             32 * warps_, stem_backward<T>, slice<T>(args.x[0]), slice<T>(args.dy),
             static_cast<const uint8_t*>(args.saved), shape_, tiles_, partial);
      const GradientBlocks blocks{.pixels = pooled_,
                                  .channels = gradients(),
                                  .size = static_cast<uint32_t>(tiles_.size),
                                  .count = static_cast<uint32_t>(tiles_.blocks),
                                  .lanes = ChannelSums::kLanes};
      launch(device_, {"combine_stem_gradients", rows}, ChannelSums::combining_grid(blocks),
             kThreadsPerBlock, combine_stem_gradients<ChannelSums::kLanes, T>, partial, blocks,
             static_cast<uint32_t>(shape_.filters), static_cast<T*>(args.dparameters[0]),
             static_cast<T*>(args.dparameters[1]));
    });
  }

  void import_parameter(size_t parameter, const float* file, float* stored) const override {
    if (parameter != 0) return Kernel::import_parameter(parameter, file, stored);
    for_weights(shape_.filters, shape_.channels, shape_.taps() / shape_.channels,
                [&](int64_t in_file, int64_t in_memory) { stored[in_memory] = file[in_file]; });
  }
  void export_parameter(size_t parameter, const float* stored, float* file) const override {
    if (parameter != 0) return Kernel::export_parameter(parameter, stored, file);
    for_weights(shape_.filters, shape_.channels, shape_.taps() / shape_.channels,
                [&](int64_t in_file, int64_t in_memory) { file[in_file] = stored[in_memory]; });
  }
  std::string implementation() const override { return "cuda"; }

 private:
  /// Weights and biases.
  uint32_t gradients() const { return static_cast<uint32_t>((shape_.taps() + 1) * shape_.filters); }

  CudaDevice& device_;
  StemShape shape_;
  uint32_t pooled_;  ///< values
  bool training_;
  int warps_, filter_blocks_, tap_blocks_;  ///< of backward
  StemTiles tiles_;
};

}  // namespace

std::unique_ptr<Kernel> make_stem_cuda(const KernelSetup& setup) {
  return make_kernel<StemCuda>(setup);
}

}  // namespace engine
