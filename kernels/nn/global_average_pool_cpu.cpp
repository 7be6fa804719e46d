#include <algorithm>

#include "engine/cpu/parallel.h"
#include "kernels/nn/global_average_pool.h"

namespace engine {
namespace {

/// Reads x once, row by row; a row's sum is added to the total as a whole, so that rounding errors
/// grow with height plus width and not with their product.
class GlobalAveragePoolCpu : public Kernel {
 public:
  explicit GlobalAveragePoolCpu(const KernelSetup& setup)
      : Kernel(setup),
        shape_(setup.inputs[0]),
        share_(static_cast<float>(1.0 / static_cast<double>(shape_.h * shape_.w))) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    const TensorView &x = args.x[0], &y = args.y;
    parallel_for(shape_.n, [&](int64_t n) {
      for (int64_t c = 0; c < shape_.c; c += kChannels) {
        average(x, n, c, std::min(kChannels, shape_.c - c), y.f32() + n * y.pitch + c);
      }
    });
  }

  void backward(const BackwardArgs& args) override {
    const TensorView &dx = args.dx[0], &dy = args.dy;
    if (!dx) return;
    const int64_t pixels = shape_.h * shape_.w, channels = shape_.c;
    parallel_for(shape_.n, [&](int64_t n) {
      const float* from = dy.f32() + n * dy.pitch;
      float* first = dx.f32() + n * pixels * dx.pitch;
      for (int64_t c = 0; c < channels; ++c) first[c] = from[c] * share_;
      for (int64_t p = 1; p < pixels; ++p) std::copy_n(first, channels, first + p * dx.pitch);
    });
  }

 private:
  static constexpr int64_t kChannels = 128;

  void average(const TensorView& x, int64_t n, int64_t c, int64_t count, float* y) const {
    float total[kChannels] = {}, row[kChannels];
    for (int64_t h = 0; h < shape_.h; ++h) {
      const float* p = x.f32() + (n * shape_.h + h) * shape_.w * x.pitch + c;
      std::copy_n(p, count, row);
      for (int64_t w = 1; w < shape_.w; ++w) {
        p += x.pitch;
        for (int64_t i = 0; i < count; ++i) row[i] += p[i];
      }
      for (int64_t i = 0; i < count; ++i) total[i] += row[i];
    }
    for (int64_t i = 0; i < count; ++i) y[i] = total[i] * share_;
  }

  Shape shape_;
  float share_;
};

}  // namespace

std::unique_ptr<Kernel> make_global_average_pool_cpu(const KernelSetup& setup) {
  return make_kernel<GlobalAveragePoolCpu>(setup);
}

}  // namespace engine
