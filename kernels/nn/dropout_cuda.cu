#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/dropout.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {
namespace {

/// What decides which elements stay.
struct Draw {
  RandomKey key;
  uint32_t threshold;
  float scale;
  const StepState* state;
  const int32_t* samples;
  Divider pixels;  ///< of an image
  uint32_t channels;
};

/// Reads and writes each element once; the mask is drawn again in backward and never
/// stored. Four channels that lie in one block of Philox words cost one draw.
template <class T, int V>
__global__ void dropout_kernel(Slice<T> from, Slice<T> to, Items items, Draw draw) {
  const uint32_t epoch = draw.state->epoch;
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    const uint32_t n = draw.pixels.divide(place.pixel);
    const uint32_t element = draw.pixels.remainder(place.pixel, n) * draw.channels + place.channel;
    const auto sample = static_cast<uint32_t>(draw.samples[n]);
    Floats<V> values = load<V>(from.at(place.pixel, place.channel));
    if constexpr (V == 1) {
      const Philox4 words = draw.key.draw(element / 4, epoch, sample);
      values.at[0] *= words.word[element % 4] < draw.threshold ? 0.0f : draw.scale;
    } else {
      for (int v = 0; v < V; v += 4) {
        const Philox4 words =
            draw.key.draw((element + static_cast<uint32_t>(v)) / 4, epoch, sample);
        for (int i = 0; i < 4; ++i) {
          values.at[v + i] *= words.word[i] < draw.threshold ? 0.0f : draw.scale;
        }
      }
    }
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
    if (!batch.training || rate_ == 0) return copy_elements(device_, "dropout_off", from, to);
    const Draw draw{.key = key_,
                    .threshold = drop_threshold(rate_),
                    .scale = static_cast<float>(1 / (1 - rate_)),
                    .state = batch.state,
                    .samples = batch.samples,
                    .pixels = Divider(static_cast<uint32_t>(to.shape.h * to.shape.w)),
                    .channels = static_cast<uint32_t>(to.shape.c)};
    const TensorView tensors[] = {from, to};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(to.shape, V);
      launch_over(device_, {"dropout", 2 * bytes_of(to)}, items.count, dropout_kernel<T, V>,
                  slice<T>(from), slice<T>(to), items, draw);
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
