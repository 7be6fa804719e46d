#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "kernels/nn/max_pool.h"
#include "kernels/nn/pool_cuda.h"

namespace engine {
namespace {

/// A thread makes V channels of one output pixel. Reads each input value once from memory (windows
/// that overlap find it in the caches), writes y and, in training, the winner's place in its
/// window, which is a byte or two.
template <class T, int V, class Number, bool Note>
__global__ void max_pool_forward(Slice<T> x, Slice<T> y, Number* places, PoolWindows windows,
                                 Items items) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto [pixel, channel] = items.place<V>(item);
    const auto [n, oy, ox] = windows.output.place(pixel);
    const Winners<V> best = winners_of<V>(x, windows, n, oy, ox, channel);
    store(y.at(pixel, channel), best.values);
    if constexpr (Note) {
      for (int v = 0; v < V; ++v) {
        places[static_cast<size_t>(item) * V + v] = static_cast<Number>(best.places[v]);
      }
    }
  }
}

/// A thread makes V channels of one input pixel: it looks at the windows that hold the pixel and
/// adds the gradients of those that chose it, in scan order. No atomics, so the same bits every
/// time.
template <class T, int V, class Number>
__global__ void max_pool_backward(Slice<T> dy, Slice<T> dx, const Number* places,
                                  PoolWindows windows, Items items, uint32_t channels) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto [pixel, channel] = items.place<V>(item);
    const auto [n, iy, ix] = windows.input.place(pixel);
    const auto rows = windows.y.windows(iy), columns = windows.x.windows(ix);
    Floats<V> sum{};
    for (int oy = rows.begin; oy < rows.end; ++oy) {
      for (int ox = columns.begin; ox < columns.end; ++ox) {
        const uint32_t from = windows.output_pixel(n, oy, ox);
        const int number = (iy - windows.y.start(oy)) * windows.x.kernel + ix - windows.x.start(ox);
        const Number* chosen = places + static_cast<size_t>(from) * channels + channel;
        const auto gradient = load<V>(dy.at(from, channel));
        for (int v = 0; v < V; ++v) sum.at[v] += chosen[v] == number ? gradient.at[v] : 0.0f;
      }
    }
    store(dx.at(pixel, channel), sum);
  }
}

/// Number: what the place of a window's winner is kept in.
template <class Number>
class MaxPoolCuda : public Kernel {
 public:
  explicit MaxPoolCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        geometry_(setup.inputs[0], static_cast<const MaxPool&>(setup.op).window(setup.inputs[0])),
        windows_(geometry_),
        training_(setup.training) {}

  bool takes_pitch() const override { return true; }
  size_t saved_bytes() const override {
    return training_ ? static_cast<size_t>(geometry_.output.elements()) * sizeof(Number) : 0;
  }

  void forward(const ForwardArgs& args) override {
    const TensorView tensors[] = {args.x[0], args.y};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      const Items items = items_of(geometry_.output, v);
      const auto kernel =
          training_ ? max_pool_forward<T, v, Number, true> : max_pool_forward<T, v, Number, false>;
      launch_over(device_,
                  {"max_pool_forward", bytes_of(args.x[0]) + bytes_of(args.y) + places_bytes()},
                  items.count, kernel, slice<T>(args.x[0]), slice<T>(args.y),
                  static_cast<Number*>(args.saved), windows_, items);
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    const TensorView tensors[] = {args.dy, args.dx[0]};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      const Items items = items_of(geometry_.input, v);
      launch_over(device_,
                  {"max_pool_backward", bytes_of(args.dy) + bytes_of(args.dx[0]) + places_bytes()},
                  items.count, max_pool_backward<T, v, Number>, slice<T>(args.dy),
                  slice<T>(args.dx[0]), static_cast<const Number*>(args.saved), windows_, items,
                  static_cast<uint32_t>(geometry_.input.c));
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  double places_bytes() const { return static_cast<double>(saved_bytes()); }

  CudaDevice& device_;
  PoolGeometryOf<int> geometry_;
  PoolWindows windows_;
  bool training_;
};

}  // namespace

std::unique_ptr<Kernel> make_max_pool_cuda(const KernelSetup& setup) {
  const auto& pool = static_cast<const MaxPool&>(setup.op);
  if (pool.kernel.h * pool.kernel.w <= 256) return make_kernel<MaxPoolCuda<uint8_t>>(setup);
  return make_kernel<MaxPoolCuda<uint16_t>>(setup);
}

}  // namespace engine
