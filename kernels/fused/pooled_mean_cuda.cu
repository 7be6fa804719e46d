#include <algorithm>
#include <bit>

#include "engine/cuda/launch.h"
#include "kernels/fused/pooled_gradient_cuda.h"
#include "kernels/fused/pooled_mean.h"
#include "kernels/nn/channel_sums_cuda.h"
#include "kernels/nn/dropout_cuda.h"

namespace engine {
namespace {

/// A block makes the means of blocks.lanes items of V channels of one image: its rows of threads
/// take turns at the windows, then their sums are added in pairs. Reads each value of x once from
/// memory (windows that overlap find it in the caches); writes a byte for each window in training,
/// and y.
template <class T, int V, bool Note>
__global__ void pooled_mean_forward(Slice<T> x, Slice<T> y, uint8_t* places, PoolWindows windows,
                                    GradientBlocks blocks, Divider parts, DropoutDraw draw,
                                    float share) {
  __shared__ Floats<V> sums[kThreadsPerBlock];
  const uint32_t n = parts.divide(blockIdx.x), part = parts.remainder(blockIdx.x, n);
  const uint32_t lane = threadIdx.x % blocks.lanes, row = threadIdx.x / blocks.lanes;
  const uint32_t channel = (part * blocks.lanes + lane) * V;
  Floats<V> sum{};
  for (uint32_t window = row; window < blocks.pixels && channel < blocks.channels;
       window += blocks.rows()) {
    const auto at = windows.output.place(window);
    Winners<V> best = winners_of<V>(x, windows, static_cast<int>(n), at.y, at.x, channel);
    const uint32_t element = window * blocks.channels + channel;
    const Floats<V> factors = draw.factors<V>(n, element);
    Packed<uint8_t, V> noted;
    for (int v = 0; v < V; ++v) {
      sum.at[v] += best.values.at[v] * factors.at[v];
      noted.at[v] = static_cast<uint8_t>(factors.at[v] == 0 ? kNoPlace : best.places[v]);
    }
    if constexpr (Note) {
      const size_t first = static_cast<size_t>(n) * blocks.pixels * blocks.channels;
      *reinterpret_cast<Packed<uint8_t, V>*>(places + first + element) = noted;
    }
  }
  sum = sum_of_rows(sum, sums, blocks);
  if (row != 0 || channel >= blocks.channels) return;
  for (int v = 0; v < V; ++v) sum.at[v] *= share;
  store(y.at(n, channel), sum);
}

/// A thread makes V channels of one pixel of dx, from bytes and from dy, which is in the caches.
template <class T, int V>
__global__ void pooled_mean_backward(PooledUser<T> user, Slice<T> dx, Items items,
                                     uint32_t channels) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto [pixel, channel] = items.place<V>(item);
    Floats<V> sum{};
    add_pooled(user, pixel, channel, channels, sum);
    store(dx.at(pixel, channel), sum);
  }
}

class PooledMeanCuda : public Kernel {
 public:
  explicit PooledMeanCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        op_(static_cast<const PooledMean&>(setup.op)),
        geometry_(setup.inputs[0], op_.pool.window(setup.inputs[0])),
        windows_(geometry_),
        key_{setup.seed, random_stream("dropout", op_.dropout)},
        training_(setup.training) {}

  bool takes_pitch() const override { return true; }
  size_t saved_bytes() const override {
    return training_ ? static_cast<size_t>(geometry_.output.elements()) : 0;
  }

  void forward(const ForwardArgs& args) override {
    const TensorView tensors[] = {args.x[0], args.y};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      const auto channels = static_cast<uint32_t>(geometry_.output.c);
      const uint32_t items = channels / v, lanes = std::min(std::bit_ceil(items), 32u);
      const uint32_t parts = (items + lanes - 1) / lanes;
      const GradientBlocks blocks{window_count(), channels, window_count(), 1, lanes};
      const auto kernel =
          training_ ? pooled_mean_forward<T, v, true> : pooled_mean_forward<T, v, false>;
      const double bytes =
          bytes_of(args.x[0]) + bytes_of(args.y) + static_cast<double>(saved_bytes());
      launch(device_, {"pooled_mean_forward", bytes},
             items_of({geometry_.output.n, 1, 1, parts}, 1).count, kThreadsPerBlock, kernel,
             slice<T>(args.x[0]), slice<T>(args.y), static_cast<uint8_t*>(args.saved), windows_,
             blocks, Divider(parts), dropout_draw(args.batch, key_, op_.rate),
             1.0f / static_cast<float>(window_count()));
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    const TensorView tensors[] = {args.dy, args.dx[0]};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      const Items items = items_of(geometry_.input, v);
      const PooledUser<T> user{.dy = slice<T>(args.dy),
                               .places = static_cast<const uint8_t*>(args.saved),
                               .windows = windows_,
                               .is_mean = true,
                               .scale = mean_scale(geometry_, args.batch, op_.rate)};
      const double bytes =
          bytes_of(args.dy) + bytes_of(args.dx[0]) + static_cast<double>(saved_bytes());
      launch_over(device_, {"pooled_mean_backward", bytes}, items.count, pooled_mean_backward<T, v>,
                  user, slice<T>(args.dx[0]), items, static_cast<uint32_t>(geometry_.input.c));
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  uint32_t window_count() const {
    return static_cast<uint32_t>(geometry_.output.h * geometry_.output.w);
  }

  CudaDevice& device_;
  const PooledMean& op_;
  PoolGeometryOf<int> geometry_;
  PoolWindows windows_;
  RandomKey key_;
  bool training_;
};

}  // namespace

std::unique_ptr<Kernel> make_pooled_mean_cuda(const KernelSetup& setup) {
  return make_kernel<PooledMeanCuda>(setup);
}

}  // namespace engine
