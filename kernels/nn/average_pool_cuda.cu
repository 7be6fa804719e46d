#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "kernels/nn/average_pool.h"
#include "kernels/nn/pool_cuda.h"

namespace engine {
namespace {

/// 1 / what the window at (oy, ox) divides by.
__device__ float share_of(const PoolWindows& windows, int oy, int ox, bool with_padding) {
  const auto rows = windows.y.places(oy), columns = windows.x.places(ox);
  const int places = with_padding ? windows.y.kernel * windows.x.kernel
                                  : (rows.end - rows.begin) * (columns.end - columns.begin);
  return 1.0f / static_cast<float>(places);
}

/// A thread makes V channels of one output pixel; x is read from memory once.
template <class T, int V>
__global__ void average_pool_forward(Slice<T> x, Slice<T> y, PoolWindows windows, Items items,
                                     bool with_padding) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    const auto pixel = windows.output.place(place.pixel);
    const auto rows = windows.y.places(pixel.y), columns = windows.x.places(pixel.x);
    const int top = windows.y.start(pixel.y), left = windows.x.start(pixel.x);
    Floats<V> sum{};
    for (int ky = rows.begin; ky < rows.end; ++ky) {
      for (int kx = columns.begin; kx < columns.end; ++kx) {
        const auto now =
            load<V>(x.at(windows.input_pixel(pixel.n, top + ky, left + kx), place.channel));
        for (int v = 0; v < V; ++v) sum.at[v] += now.at[v];
      }
    }
    const float share = share_of(windows, pixel.y, pixel.x, with_padding);
    for (int v = 0; v < V; ++v) sum.at[v] *= share;
    store(y.at(place.pixel, place.channel), sum);
  }
}

/// A thread makes V channels of one input pixel: its share of the gradients of all windows that
/// hold it, in scan order. No atomics.
template <class T, int V>
__global__ void average_pool_backward(Slice<T> dy, Slice<T> dx, PoolWindows windows, Items items,
                                      bool with_padding) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    const auto pixel = windows.input.place(place.pixel);
    const auto rows = windows.y.windows(pixel.y), columns = windows.x.windows(pixel.x);
    Floats<V> sum{};
    for (int oy = rows.begin; oy < rows.end; ++oy) {
      for (int ox = columns.begin; ox < columns.end; ++ox) {
        const float share = share_of(windows, oy, ox, with_padding);
        const auto gradient = load<V>(dy.at(windows.output_pixel(pixel.n, oy, ox), place.channel));
        for (int v = 0; v < V; ++v) sum.at[v] = fmaf(gradient.at[v], share, sum.at[v]);
      }
    }
    store(dx.at(place.pixel, place.channel), sum);
  }
}

class AveragePoolCuda : public Kernel {
 public:
  explicit AveragePoolCuda(const KernelSetup& setup)
      : AveragePoolCuda(setup, static_cast<const AveragePool&>(setup.op)) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    const TensorView tensors[] = {args.x[0], args.y};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(geometry_.output, V);
      launch_over(device_, {"average_pool_forward", bytes_of(args.x[0]) + bytes_of(args.y)},
                  items.count, average_pool_forward<T, V>, slice<T>(args.x[0]), slice<T>(args.y),
                  windows_, items, with_padding_);
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    const TensorView tensors[] = {args.dy, args.dx[0]};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(geometry_.input, V);
      launch_over(device_, {"average_pool_backward", bytes_of(args.dy) + bytes_of(args.dx[0])},
                  items.count, average_pool_backward<T, V>, slice<T>(args.dy), slice<T>(args.dx[0]),
                  windows_, items, with_padding_);
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  AveragePoolCuda(const KernelSetup& setup, const AveragePool& op)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        geometry_(setup.inputs[0], op.window(setup.inputs[0])),
        windows_(geometry_),
        with_padding_(op.count_include_padding) {}

  CudaDevice& device_;
  PoolGeometryOf<int> geometry_;
  PoolWindows windows_;
  bool with_padding_;
};

}  // namespace

std::unique_ptr<Kernel> make_average_pool_cuda(const KernelSetup& setup) {
  return make_kernel<AveragePoolCuda>(setup);
}

}  // namespace engine
