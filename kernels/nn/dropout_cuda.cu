#include "kernels/nn/dropout_cuda.h"

#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {
namespace {

/// Reads and writes each element once.
template <class T, int V>
__global__ void dropout_kernel(Slice<T> from, Slice<T> to, Items items, Divider pixels,
                               uint32_t channels, DropoutDraw draw) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    const uint32_t n = pixels.divide(place.pixel);
    const uint32_t element = pixels.remainder(place.pixel, n) * channels + place.channel;
    Floats<V> values = load<V>(from.at(place.pixel, place.channel));
    const Floats<V> factors = draw.factors<V>(n, element);
    for (int v = 0; v < V; ++v) values.at[v] *= factors.at[v];
    store(to.at(place.pixel, place.channel), values);
  }
}

class DropoutCuda : public Kernel {
 public:
  explicit DropoutCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        rate_(static_cast<const Dropout&>(setup.op).rate),
        key_{setup.seed, random_stream("dropout", setup.node)} {}

  bool takes_pitch() const override { return true; }
  void forward(const ForwardArgs& args) override { apply(args.batch, args.x[0], args.y); }
  void backward(const BackwardArgs& args) override {
    if (args.dx[0]) apply(args.batch, args.dy, args.dx[0]);
  }
  std::string implementation() const override { return "cuda"; }

 private:
  void apply(const Batch& batch, const TensorView& from, const TensorView& to) const {
    const DropoutDraw draw = dropout_draw(batch, key_, rate_);
    if (!draw.samples) return copy_elements(device_, "dropout_off", from, to);
    const TensorView tensors[] = {from, to};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(to.shape, V);
      launch_over(device_, {"dropout", 2 * bytes_of(to)}, items.count, dropout_kernel<T, V>,
                  slice<T>(from), slice<T>(to), items,
                  Divider(static_cast<uint32_t>(to.shape.h * to.shape.w)),
                  static_cast<uint32_t>(to.shape.c), draw);
    });
  }

  CudaDevice& device_;
  double rate_;
  RandomKey key_;
};

}  // namespace

std::unique_ptr<Kernel> make_dropout_cuda(const KernelSetup& setup) {
  return make_kernel<DropoutCuda>(setup);
}

}  // namespace engine
