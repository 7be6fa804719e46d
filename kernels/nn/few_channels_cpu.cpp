// Convolution of images with few channels (the first layer of most networks), any kernel and
// stride. A strip of output rows at a time: the input rows that it reads are copied with their
// padding into a piece of the first- or second-level cache, where the taps of one kernel row are
// neighbours, so that 6 outputs x 16 channels (forward) or 6 taps x 16 channels (weight gradient)
// are one register tile without any im2col. Work is cut into a number of slots that depends on the
// shape alone, and each slot has its own memory: sums have one order for any number of threads.

#include <vector>

#include "engine/core/error.h"
#include "engine/cpu/parallel.h"
#include "kernels/nn/convolution_cpu.h"
#include "kernels/nn/gemm_cpu.h"

namespace engine {
namespace {

constexpr int64_t kSlots = 32;
constexpr int64_t kStripPixels = 256;  ///< outputs of a strip, about

/// Sum over `count` neighbouring outputs of taps times gradients. rows[r] points at the first
/// output's value of tap r; the next output's lies `step` further.
template <int Rows>
ENGINE_INLINE void multiply_taps(Tile<Rows>& tile, int64_t count, const float* const* rows,
                                 int64_t step, const float* b) {
  const float* a[Rows];
  unroll<Rows>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
  for (int64_t i = 0; i < count; ++i) {
    const Vec b0 = load(b + i * kPanel), b1 = load(b + i * kPanel + kLanes);
    unroll<Rows>([&](auto r) __attribute__((always_inline)) {
      const Vec x = broadcast(a[r][i * step]);
      tile.v[r][0] = fma(x, b0, tile.v[r][0]);
      tile.v[r][1] = fma(x, b1, tile.v[r][1]);
    });
  }
}

class FewChannelsConvolution final : public Convolution {
 public:
  explicit FewChannelsConvolution(const ConvolutionGeometry& geometry)
      : g_(geometry),
        window_(geometry.window),
        in_(geometry.input.c),
        out_(geometry.output.c),
        run_(window_.kernel_w * in_),
        depth_(window_.kernel_h * run_),
        strip_rows_(std::clamp<int64_t>(kStripPixels / g_.output.w, 1, g_.output.h)),
        strips_((g_.output.h + strip_rows_ - 1) / strip_rows_),
        line_((((g_.output.w - 1) * window_.stride_w + window_.kernel_w) * in_ + kLanes - 1) /
              kLanes * kLanes),
        lines_((strip_rows_ - 1) * window_.stride_h + window_.kernel_h),
        slots_(std::min(kSlots, g_.output.n * strips_)) {}

  std::string name() const override { return "direct"; }
  int64_t stored_elements() const override { return panels(out_) * kPanel * depth_; }
  int64_t stored_index(int64_t out, int64_t in, int64_t tap) const override {
    return (out / kPanel * depth_ + tap * in_ + in) * kPanel + out % kPanel;
  }
  size_t forward_workspace() const override {
    return static_cast<size_t>(slots_ * lines_ * line_) * sizeof(float);
  }
  size_t backward_workspace(bool) const override {
    return static_cast<size_t>(slots_ * slot_floats()) * sizeof(float);
  }

  void forward(const TensorView& x, const float* weights, const float* bias, const TensorView& y,
               void* workspace) override;
  void backward_data(const OutputGradient& gradient, const float* weights, const TensorView& dx,
                     void* workspace) override;
  void backward_weights(const TensorView& x, const OutputGradient& gradient, float* dw, float* db,
                        void* workspace) override;

 private:
  struct Strip {
    int64_t image, first_row, rows;
  };
  Strip strip(int64_t index) const {
    const int64_t first = index % strips_ * strip_rows_;
    return {index / strips_, first, std::min(strip_rows_, g_.output.h - first)};
  }
  /// Calls body(slot, first strip, end of strips) for every slot.
  template <class Body>
  void for_slots(const Body& body) const {
    const int64_t count = g_.output.n * strips_;
    parallel_for(slots_, [&](int64_t slot) {
      body(slot, count * slot / slots_, count * (slot + 1) / slots_);
    });
  }
  void copy_input(const TensorView& x, const Strip& strip, float* to) const;
  void pack_gradient(const OutputGradient& gradient, const Strip& strip, float* to) const;
  void add_weight_gradient(const float* input, const float* dy, const Strip& strip, bool accumulate,
                           float* dw) const;
  void input_gradient_of_pixel(const OutputGradient& gradient, const float* weights, int64_t image,
                               int64_t h, int64_t w, float* dx) const;

  int64_t padded_out() const { return panels(out_) * kPanel; }
  int64_t strip_gradient_floats() const { return strip_rows_ * g_.output.w * padded_out(); }
  int64_t slot_floats() const {
    return lines_ * line_ + strip_gradient_floats() + (depth_ + 1) * padded_out();
  }

  ConvolutionGeometry g_;
  Window window_;
  int64_t in_, out_;
  int64_t run_;         ///< taps of one kernel row: neighbours in memory
  int64_t depth_;       ///< all taps
  int64_t strip_rows_;  ///< output rows of a strip
  int64_t strips_;      ///< of an image
  int64_t line_;        ///< floats of a padded input row
  int64_t lines_;       ///< padded input rows of a strip
  int64_t slots_;
};

/// The input rows of a strip, with zeros where padding is.
void FewChannelsConvolution::copy_input(const TensorView& x, const Strip& strip, float* to) const {
  const Shape& s = x.shape;
  const int64_t top = strip.first_row * window_.stride_h - window_.padding.top;
  const int64_t columns = (g_.output.w - 1) * window_.stride_w + window_.kernel_w;
  for (int64_t i = 0; i < lines_; ++i) {
    float* const line = to + i * line_;
    const int64_t h = top + i;
    const int64_t first = std::clamp<int64_t>(window_.padding.left, 0, columns);
    const int64_t end = std::clamp<int64_t>(window_.padding.left + s.w, first, columns);
    if (h < 0 || h >= s.h) {
      std::fill_n(line, columns * in_, 0.0f);
      continue;
    }
    std::fill_n(line, first * in_, 0.0f);
    const float* from =
        x.f32() + ((strip.image * s.h + h) * s.w + first - window_.padding.left) * x.pitch;
    for (int64_t w = first; w < end; ++w, from += x.pitch) {
      for (int64_t c = 0; c < in_; ++c) line[w * in_ + c] = from[c];
    }
    std::fill_n(line + end * in_, (columns - end) * in_, 0.0f);
  }
}

void FewChannelsConvolution::forward(const TensorView& x, const float* weights, const float* bias,
                                     const TensorView& y, void* workspace) {
  const int64_t width = g_.output.w, step = window_.stride_w * in_;
  for_slots([&](int64_t slot, int64_t begin, int64_t end) {
    float* const input = static_cast<float*>(workspace) + slot * lines_ * line_;
    for (int64_t index = begin; index < end; ++index) {
      const Strip s = strip(index);
      copy_input(x, s, input);
      for (int64_t c = 0; c < out_; c += kPanel) {
        const float* const b = weights + c * depth_;
        const int64_t left = out_ - c;
        const Vec bias0 = bias ? load_first(bias + c, left) : Vec{};
        const Vec bias1 = bias ? load_first(bias + c + kLanes, left - kLanes) : Vec{};
        for (int64_t h = 0; h < s.rows; ++h) {
          for_row_tiles(width, [&](auto count, int64_t w) {
            constexpr int kCount = decltype(count)::value;
            Tile<kCount> tile{};
            for (int64_t kh = 0; kh < window_.kernel_h; ++kh) {
              const float* const a = input + (h * window_.stride_h + kh) * line_ + w * step;
              for (int64_t k = 0; k < run_; ++k) {
                multiply_step(tile, a + k, step, b + (kh * run_ + k) * kPanel);
              }
            }
            const int64_t pixel = (s.image * g_.output.h + s.first_row + h) * width + w;
            float* const to = y.f32() + pixel * y.pitch + c;
            unroll<kCount>([&](auto r) __attribute__((always_inline)) {
              const Vec v0 = tile.v[r][0] + bias0, v1 = tile.v[r][1] + bias1;
              store_first(to + r * y.pitch, g_.relu ? relu(v0) : v0, left);
              store_first(to + r * y.pitch + kLanes, g_.relu ? relu(v1) : v1, left - kLanes);
            });
          });
        }
      }
    }
  });
}

/// The gradient of a strip, masked, as panels [panel][pixel][16].
void FewChannelsConvolution::pack_gradient(const OutputGradient& gradient, const Strip& strip,
                                           float* to) const {
  const int64_t pixels = strip.rows * g_.output.w;
  const int64_t first = (strip.image * g_.output.h + strip.first_row) * g_.output.w;
  const TensorView &dy = gradient.dy, &y = gradient.relu_output;
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < padded_out(); c += kLanes) {
      Vec value = load_first(dy.f32() + (first + p) * dy.pitch + c, out_ - c);
      if (y)
        value = where_positive(value, load_first(y.f32() + (first + p) * y.pitch + c, out_ - c));
      store(to + (c / kPanel * pixels + p) * kPanel + c % kPanel, value);
    }
  }
}

void FewChannelsConvolution::add_weight_gradient(const float* input, const float* dy,
                                                 const Strip& strip, bool accumulate,
                                                 float* dw) const {
  const int64_t width = g_.output.w, step = window_.stride_w * in_;
  for (int64_t panel = 0; panel < panels(out_); ++panel) {
    for_row_tiles(depth_, [&](auto count, int64_t tap) {
      constexpr int kCount = decltype(count)::value;
      Tile<kCount> tile{};
      for (int64_t h = 0; h < strip.rows; ++h) {
        const float* rows[kCount];
        for (int r = 0; r < kCount; ++r) {
          const int64_t kh = (tap + r) / run_, k = (tap + r) % run_;
          rows[r] = input + (h * window_.stride_h + kh) * line_ + k;
        }
        multiply_taps(tile, width, rows, step, dy + (panel * strip.rows + h) * width * kPanel);
      }
      float* const to = dw + (panel * depth_ + tap) * kPanel;
      unroll<kCount>([&](auto r) __attribute__((always_inline)) {
        float* const p = to + r * kPanel;
        store(p, accumulate ? tile.v[r][0] + load(p) : tile.v[r][0]);
        store(p + kLanes, accumulate ? tile.v[r][1] + load(p + kLanes) : tile.v[r][1]);
      });
    });
  }
}

void FewChannelsConvolution::backward_weights(const TensorView& x, const OutputGradient& gradient,
                                              float* dw, float* db, void* workspace) {
  float* const slots = static_cast<float*>(workspace);
  const int64_t in_floats = lines_ * line_, dy_floats = strip_gradient_floats();
  for_slots([&](int64_t slot, int64_t begin, int64_t end) {
    float* const input = slots + slot * slot_floats();
    float* const dy = input + in_floats;
    float* const sums = dy + dy_floats;
    for (int64_t index = begin; index < end; ++index) {
      const Strip s = strip(index);
      copy_input(x, s, input);
      pack_gradient(gradient, s, dy);
      add_weight_gradient(input, dy, s, index > begin, sums);
      const int64_t pixels = s.rows * g_.output.w;
      for (int64_t c = 0; c < padded_out(); c += kPanel) {
        sum_rows(pixels, dy + c * pixels, index > begin, kPanel, sums + depth_ * padded_out() + c);
      }
    }
  });
  // The slots' sums, one after the other: weights, then the bias.
  const int64_t count = stored_elements() / kLanes;
  parallel_for(count + panels(out_) * 2, [&](int64_t i) {
    const bool is_bias = i >= count;
    const float* from = slots + in_floats + dy_floats + i * kLanes;
    Vec sum = load(from);
    for (int64_t slot = 1; slot < slots_; ++slot) sum = sum + load(from + slot * slot_floats());
    if (!is_bias) {
      store(dw + i * kLanes, sum);
    } else if (db) {
      const int64_t c = (i - count) * kLanes;
      store_first(db + c, sum, out_ - c);
    }
  });
}

/// Gathers from all outputs whose windows contain the pixel.
void FewChannelsConvolution::input_gradient_of_pixel(const OutputGradient& gradient,
                                                     const float* weights, int64_t image, int64_t h,
                                                     int64_t w, float* dx) const {
  const TensorView &dy = gradient.dy, &y = gradient.relu_output;
  for (int64_t i = 0; i < in_; ++i) {
    Vec sum{};
    for (int64_t kh = 0; kh < window_.kernel_h; ++kh) {
      const int64_t top = h + window_.padding.top - kh, row = top / window_.stride_h;
      if (top < 0 || top % window_.stride_h || row >= g_.output.h) continue;
      for (int64_t kw = 0; kw < window_.kernel_w; ++kw) {
        const int64_t left = w + window_.padding.left - kw, column = left / window_.stride_w;
        if (left < 0 || left % window_.stride_w || column >= g_.output.w) continue;
        const int64_t pixel = (image * g_.output.h + row) * g_.output.w + column;
        const float* const b = weights + (kh * run_ + kw * in_ + i) * kPanel;
        for (int64_t c = 0; c < out_; c += kLanes) {
          Vec value = load_first(dy.f32() + pixel * dy.pitch + c, out_ - c);
          if (y) value = where_positive(value, load_first(y.f32() + pixel * y.pitch + c, out_ - c));
          sum = fma(value, load(b + c / kPanel * depth_ * kPanel + c % kPanel), sum);
        }
      }
    }
    float total = 0;
    for (int64_t lane = 0; lane < kLanes; ++lane) total += sum[lane];
    dx[i] = total;
  }
}

void FewChannelsConvolution::backward_data(const OutputGradient& gradient, const float* weights,
                                           const TensorView& dx, void*) {
  const Shape& s = dx.shape;
  parallel_for(s.n * s.h, [&](int64_t line) {
    for (int64_t w = 0; w < s.w; ++w) {
      input_gradient_of_pixel(gradient, weights, line / s.h, line % s.h, w,
                              dx.f32() + (line * s.w + w) * dx.pitch);
    }
  });
}

}  // namespace

std::unique_ptr<Convolution> make_few_channels(const ConvolutionGeometry& geometry) {
  return std::make_unique<FewChannelsConvolution>(geometry);
}

}  // namespace engine
