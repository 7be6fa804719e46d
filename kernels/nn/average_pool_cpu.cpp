#include <vector>

#include "engine/cpu/parallel.h"
#include "kernels/nn/average_pool.h"
#include "kernels/nn/pool_cpu.h"
#include "kernels/nn/simd_cpu.h"

namespace engine {
namespace {

/// Forward reads x once (from the caches for overlapping windows). In backward each pixel gathers
/// its share of the gradients of all windows that hold it, in scan order, and is written once.
class AveragePoolCpu : public Kernel {
 public:
  explicit AveragePoolCpu(const KernelSetup& setup)
      : AveragePoolCpu(setup, static_cast<const AveragePool&>(setup.op)) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    parallel_for(geometry_.output.n * geometry_.output.h,
                 [&](int64_t row) { forward_row(args.x[0], args.y, row); });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    parallel_for(geometry_.input.n * geometry_.input.h,
                 [&](int64_t row) { backward_row(args.dy, args.dx[0], row); });
  }

 private:
  AveragePoolCpu(const KernelSetup& setup, const AveragePool& op)
      : Kernel(setup), geometry_(setup.inputs[0], op.window(setup.inputs[0])) {
    // Places that a window of each row and column divides by.
    auto divisors = [&](const PoolAxis& axis) {
      std::vector<int64_t> result;
      for (int64_t o = 0; o < axis.out; ++o) {
        const Range places = axis.places(o);
        result.push_back(op.count_include_padding ? axis.kernel : places.end - places.begin);
      }
      return result;
    };
    const std::vector<int64_t> rows = divisors(geometry_.y), columns = divisors(geometry_.x);
    for (int64_t row : rows) {
      for (int64_t column : columns) shares_.push_back(1.0f / static_cast<float>(row * column));
    }
  }

  void forward_row(const TensorView& x, const TensorView& y, int64_t row) const {
    const int64_t n = row / geometry_.output.h, oy = row % geometry_.output.h;
    const Range ys = geometry_.y.places(oy);
    for (int64_t ox = 0; ox < geometry_.output.w; ++ox) {
      const Range xs = geometry_.x.places(ox);
      const Vec share = broadcast(shares_[static_cast<size_t>(oy * geometry_.output.w + ox)]);
      float* to = y.f32() + (row * geometry_.output.w + ox) * y.pitch;
      for_channels(geometry_.input.c, [&](int64_t c, auto left, auto vectors) {
        Vec sum[vectors] = {};
        for (int64_t ky = ys.begin; ky < ys.end; ++ky) {
          const int64_t image_row = n * geometry_.input.h + geometry_.y.start(oy) + ky;
          const float* p =
              x.f32() + (image_row * geometry_.input.w + geometry_.x.start(ox)) * x.pitch + c;
          for (int64_t kx = xs.begin; kx < xs.end; ++kx) {
            unroll<vectors>([&](auto i) __attribute__((always_inline)) {
              sum[i] = sum[i] + load_first(p + kx * x.pitch + i * kLanes, left - i * kLanes);
            });
          }
        }
        unroll<vectors>([&](auto i) __attribute__((always_inline)) {
          store_first(to + c + i * kLanes, sum[i] * share, left - i * kLanes);
        });
      });
    }
  }

  void backward_row(const TensorView& dy, const TensorView& dx, int64_t row) const {
    const int64_t n = row / geometry_.input.h, iy = row % geometry_.input.h;
    const Range windows_y = geometry_.y.windows(iy);
    for (int64_t ix = 0; ix < geometry_.input.w; ++ix) {
      const Range windows_x = geometry_.x.windows(ix);
      float* to = dx.f32() + (row * geometry_.input.w + ix) * dx.pitch;
      for_channels(geometry_.input.c, [&](int64_t c, auto left, auto vectors) {
        Vec sum[vectors] = {};
        for (int64_t oy = windows_y.begin; oy < windows_y.end; ++oy) {
          for (int64_t ox = windows_x.begin; ox < windows_x.end; ++ox) {
            const int64_t window = oy * geometry_.output.w + ox;
            const int64_t pixel = n * geometry_.output.h * geometry_.output.w + window;
            const Vec share = broadcast(shares_[static_cast<size_t>(window)]);
            unroll<vectors>([&](auto i) __attribute__((always_inline)) {
              const float* from = dy.f32() + pixel * dy.pitch + c + i * kLanes;
              sum[i] = fma(load_first(from, left - i * kLanes), share, sum[i]);
            });
          }
        }
        unroll<vectors>([&](auto i) __attribute__((always_inline)) {
          store_first(to + c + i * kLanes, sum[i], left - i * kLanes);
        });
      });
    }
  }

  PoolGeometry geometry_;
  std::vector<float> shares_;  // 1 / divisor of each window
};

}  // namespace

std::unique_ptr<Kernel> make_average_pool_cpu(const KernelSetup& setup) {
  return make_kernel<AveragePoolCpu>(setup);
}

}  // namespace engine
