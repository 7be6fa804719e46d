#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/global_average_pool.h"

namespace engine {
namespace {

/// A thread makes V channels of one image's mean: reads x once. A row's sum is added to the total
/// as a whole, as on the CPU, so that rounding errors grow with height plus width.
template <class T, int V>
__global__ void global_average_pool_forward(Slice<T> x, Slice<T> y, Items items, uint32_t height,
                                            uint32_t width, float share) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    Floats<V> total{};
    uint32_t pixel = place.pixel * height * width;
    for (uint32_t h = 0; h < height; ++h) {
      Floats<V> row = load<V>(x.at(pixel++, place.channel));
      for (uint32_t w = 1; w < width; ++w) {
        const Floats<V> now = load<V>(x.at(pixel++, place.channel));
        for (int v = 0; v < V; ++v) row.at[v] += now.at[v];
      }
      for (int v = 0; v < V; ++v) total.at[v] += row.at[v];
    }
    for (int v = 0; v < V; ++v) total.at[v] *= share;
    store(y.at(place.pixel, place.channel), total);
  }
}

/// A thread makes V channels of one pixel of dx; dy comes from the caches.
template <class T, int V>
__global__ void global_average_pool_backward(Slice<T> dy, Slice<T> dx, Items items, Divider pixels,
                                             float share) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    Floats<V> gradient = load<V>(dy.at(pixels.divide(place.pixel), place.channel));
    for (int v = 0; v < V; ++v) gradient.at[v] *= share;
    store(dx.at(place.pixel, place.channel), gradient);
  }
}

class GlobalAveragePoolCuda : public Kernel {
 public:
  explicit GlobalAveragePoolCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        shape_(setup.inputs[0]),
        share_(static_cast<float>(1.0 / static_cast<double>(shape_.h * shape_.w))) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    const TensorView tensors[] = {args.x[0], args.y};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(args.y.shape, V);
      launch_over(device_, {"global_average_pool_forward", bytes_of(args.x[0]) + bytes_of(args.y)},
                  items.count, global_average_pool_forward<T, V>, slice<T>(args.x[0]),
                  slice<T>(args.y), items, static_cast<uint32_t>(shape_.h),
                  static_cast<uint32_t>(shape_.w), share_);
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    const TensorView tensors[] = {args.dy, args.dx[0]};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(shape_, V);
      launch_over(
          device_, {"global_average_pool_backward", bytes_of(args.dy) + bytes_of(args.dx[0])},
          items.count, global_average_pool_backward<T, V>, slice<T>(args.dy), slice<T>(args.dx[0]),
          items, Divider(static_cast<uint32_t>(shape_.h * shape_.w)), share_);
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
  Shape shape_;
  float share_;
};

}  // namespace

std::unique_ptr<Kernel> make_global_average_pool_cuda(const KernelSetup& setup) {
  return make_kernel<GlobalAveragePoolCuda>(setup);
}

}  // namespace engine
