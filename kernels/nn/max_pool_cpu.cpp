#include "engine/cpu/parallel.h"
#include "kernels/nn/max_pool.h"
#include "kernels/nn/pool_cpu.h"
#include "kernels/nn/simd_cpu.h"

namespace engine {
namespace {

using IntVec __attribute__((vector_size(32))) = int32_t;

ENGINE_INLINE IntVec broadcast_int(int32_t x) {
  return IntVec{x, x, x, x, x, x, x, x};
}

/// Forward reads x once (from the caches for overlapping windows) and, in training, notes the place
/// of each window's winner, ky * kernel_w + kx, in 8 or 16 bits. Backward needs neither x nor y:
/// each pixel gathers the gradients of the windows that chose it, in scan order, and is written
/// once.
///
/// Places are packed the way vector code likes: a block of kVectors vectors of channels shares one
/// vector of words, in which vector i of channels has bits i * kBits and up.
template <int kBits>
class MaxPoolCpu : public Kernel {
 public:
  explicit MaxPoolCpu(const KernelSetup& setup)
      : Kernel(setup),
        geometry_(setup.inputs[0], static_cast<const MaxPool&>(setup.op).window(setup.inputs[0])),
        blocks_((geometry_.input.c + kBlock - 1) / kBlock),
        training_(setup.training) {}

  bool takes_pitch() const override { return true; }
  size_t saved_bytes() const override {
    return training_ ? static_cast<size_t>(geometry_.output.pixels() * blocks_) * sizeof(IntVec)
                     : 0;
  }

  void forward(const ForwardArgs& args) override {
    parallel_for(geometry_.output.n * geometry_.output.h, [&](int64_t row) {
      if (training_) {
        forward_row<true>(args.x[0], args.y, static_cast<float*>(args.saved), row);
      } else {
        forward_row<false>(args.x[0], args.y, nullptr, row);
      }
    });
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    parallel_for(geometry_.input.n * geometry_.input.h, [&](int64_t row) {
      backward_row(args.dy, args.dx[0], static_cast<const float*>(args.saved), row);
    });
  }

 private:
  static constexpr int kVectors = 32 / kBits;
  static constexpr int64_t kBlock = kVectors * kLanes;  // channels
  using Whole = std::integral_constant<int64_t, kBlock>;

  /// Where the words of a pixel's block lie. They pass through float pointers, as bits.
  int64_t word(int64_t pixel, int64_t c) const { return (pixel * blocks_ + c / kBlock) * kLanes; }

  /// Calls body(first channel, channels left): left is a constant for whole blocks.
  template <class Body>
  ENGINE_INLINE void for_blocks(const Body& body) const {
    int64_t c = 0;
    for (; c + kBlock <= geometry_.input.c; c += kBlock) body(c, Whole{});
    if (c < geometry_.input.c) body(c, geometry_.input.c - c);
  }

  template <bool Note>
  void forward_row(const TensorView& x, const TensorView& y, float* places, int64_t row) const {
    const int64_t n = row / geometry_.output.h, oy = row % geometry_.output.h;
    const int64_t image_row = n * geometry_.input.h + geometry_.y.start(oy);
    for (int64_t ox = 0; ox < geometry_.output.w; ++ox) {
      // Where the window begins, perhaps outside of the image.
      const float* corner =
          x.f32() + (image_row * geometry_.input.w + geometry_.x.start(ox)) * x.pitch;
      const int64_t pixel = row * geometry_.output.w + ox;
      for_blocks([&](int64_t c, auto left) __attribute__((always_inline)) {
        Vec best[kVectors];
        IntVec where[kVectors];
        find<Note>(corner + c, x.pitch, geometry_.y.places(oy), geometry_.x.places(ox), left, best,
                   where);
        unroll<kVectors>([&](auto i) __attribute__((always_inline)) {
          store_first(y.f32() + pixel * y.pitch + c + i * kLanes, best[i], left - i * kLanes);
        });
        if constexpr (Note) {
          IntVec packed = where[0];
          unroll<kVectors>([&](auto i) __attribute__((always_inline)) {
            if constexpr (i > 0) packed |= where[i] << (i * kBits);
          });
          store(places + word(pixel, c), reinterpret_cast<Vec>(packed));
        }
      });
    }
  }

  /// The largest value of each channel and, if noted, its place.
  template <bool Note, class Left>
  ENGINE_INLINE void find(const float* corner, int64_t pitch, Range ys, Range xs, Left left,
                          Vec* best, IntVec* where) const {
    const int64_t row_pitch = geometry_.input.w * pitch, width = geometry_.x.kernel;
    const float* first = corner + ys.begin * row_pitch + xs.begin * pitch;
    unroll<kVectors>([&](auto i) __attribute__((always_inline)) {
      best[i] = load_first(first + i * kLanes, left - i * kLanes);
      where[i] = broadcast_int(static_cast<int32_t>(ys.begin * width + xs.begin));
    });
    for (int64_t ky = ys.begin; ky < ys.end; ++ky) {
      for (int64_t kx = xs.begin; kx < xs.end; ++kx) {
        const float* p = corner + ky * row_pitch + kx * pitch;
        const IntVec place = broadcast_int(static_cast<int32_t>(ky * width + kx));
        unroll<kVectors>([&](auto i) __attribute__((always_inline)) {
          const Vec v = load_first(p + i * kLanes, left - i * kLanes);
          const IntVec wins = (v > best[i]) | (v != v);
          best[i] = wins ? v : best[i];
          if constexpr (Note) where[i] = wins ? place : where[i];
        });
      }
    }
  }

  void backward_row(const TensorView& dy, const TensorView& dx, const float* places,
                    int64_t row) const {
    const int64_t n = row / geometry_.input.h, iy = row % geometry_.input.h;
    const Range windows_y = geometry_.y.windows(iy);
    for (int64_t ix = 0; ix < geometry_.input.w; ++ix) {
      const Range windows_x = geometry_.x.windows(ix);
      float* to = dx.f32() + (row * geometry_.input.w + ix) * dx.pitch;
      for_blocks([&](int64_t c, auto left) __attribute__((always_inline)) {
        Vec sum[kVectors] = {};
        for (int64_t oy = windows_y.begin; oy < windows_y.end; ++oy) {
          for (int64_t ox = windows_x.begin; ox < windows_x.end; ++ox) {
            const int64_t pixel = (n * geometry_.output.h + oy) * geometry_.output.w + ox;
            const int64_t place =
                (iy - geometry_.y.start(oy)) * geometry_.x.kernel + ix - geometry_.x.start(ox);
            gather(dy.f32() + pixel * dy.pitch + c, places + word(pixel, c),
                   static_cast<int32_t>(place), left, sum);
          }
        }
        unroll<kVectors>([&](auto i) __attribute__((always_inline)) {
          store_first(to + c + i * kLanes, sum[i], left - i * kLanes);
        });
      });
    }
  }

  /// Adds the gradients of one window where it chose this place.
  template <class Left>
  ENGINE_INLINE static void gather(const float* dy, const float* places, int32_t place, Left left,
                                   Vec* sum) {
    constexpr uint32_t kMask = (1u << kBits) - 1;
    const IntVec chosen = reinterpret_cast<IntVec>(load(places));
    unroll<kVectors>([&](auto i) __attribute__((always_inline)) {
      constexpr int kShift = i * kBits;
      const IntVec here =
          broadcast_int(static_cast<int32_t>(static_cast<uint32_t>(place) << kShift));
      const IntVec mine = (chosen & static_cast<int32_t>(kMask << kShift)) == here;
      const Vec gradient = load_first(dy + i * kLanes, left - i * kLanes);
      sum[i] = sum[i] + reinterpret_cast<Vec>(mine & reinterpret_cast<IntVec>(gradient));
    });
  }

  PoolGeometry geometry_;
  int64_t blocks_;  // of channels
  bool training_;
};

}  // namespace

std::unique_ptr<Kernel> make_max_pool_cpu(const KernelSetup& setup) {
  const auto& pool = static_cast<const MaxPool&>(setup.op);
  if (pool.kernel.h * pool.kernel.w <= 256) return make_kernel<MaxPoolCpu<8>>(setup);
  return make_kernel<MaxPoolCpu<16>>(setup);
}

}  // namespace engine
