// Convolution with a 1x1 kernel, and dense layers: y = x * W over pixels (or samples). The forward
// pass reads x where it lies; the gradients copy blocks of their operands into panels, which
// applies the ReLU's mask on the way. Every sum has one order, whatever the number of threads.

#include "engine/cpu/parallel.h"
#include "kernels/nn/convolution_cpu.h"
#include "kernels/nn/gemm_cpu.h"

namespace engine {
namespace {

constexpr int64_t kRowBlock = 8 * kTileRows;  ///< rows of x that stay in the cache for all panels
constexpr int64_t kBlockBytes = 4 << 20;      ///< of packed operands, in the last-level cache

/// Copies a row of an NHWC tensor into panels [panel][row][16], zero beyond the last channel; where
/// mask is given, only what lies under a positive element of it.
void pack_row(const TensorView& from, const TensorView& mask, int64_t first, int64_t rows,
              int64_t row, float* to) {
  const int64_t channels = from.shape.c;
  const float* const x = from.f32() + (first + row) * from.pitch;
  const float* const y = mask ? mask.f32() + (first + row) * mask.pitch : nullptr;
  for (int64_t c = 0; c < panels(channels) * kPanel; c += kLanes) {
    Vec value = load_first(x + c, channels - c);
    if (y) value = where_positive(value, load_first(y + c, channels - c));
    store(to + (c / kPanel * rows + row) * kPanel + c % kPanel, value);
  }
}

/// The weights [out / 16][in][16] as panels of ins: [in / 16][out][16].
void transpose_panels(const float* weights, int64_t in, int64_t out, float* to) {
  const int64_t groups = (out + kLanes - 1) / kLanes;
  parallel_for(panels(in) * groups, [&](int64_t unit) {
    const int64_t panel = unit / groups, first_out = unit % groups * kLanes;
    const float* const w = weights + first_out / kPanel * in * kPanel + first_out % kPanel;
    for (int64_t half = 0; half < kPanel; half += kLanes) {
      const int64_t first_in = panel * kPanel + half;
      alignas(32) float from[kLanes][kLanes] = {}, turned[kLanes][kLanes];
      for (int64_t i = 0; i < std::clamp<int64_t>(in - first_in, 0, kLanes); ++i) {
        store(from[i], load(w + (first_in + i) * kPanel));
      }
      transpose_8x8(from[0], kLanes, turned[0], kLanes);
      for (int64_t o = 0; o < std::min(kLanes, out - first_out); ++o) {
        store(to + (panel * out + first_out + o) * kPanel + half, load(turned[o]));
      }
    }
  });
}

struct LeftOperand {
  const float* data;
  int64_t row_stride, panel_stride;
};

/// Rows [first, first + rows) of y = a * b, b in panels [panel][depth][16]; bias may be null.
void multiply_rows(const LeftOperand& a, int64_t depth, const float* b, const float* bias,
                   bool with_relu, const TensorView& y, int64_t first, int64_t rows) {
  const int64_t columns = y.shape.c, count = panels(columns);
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  parallel_ranges(blocks * count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t begin_row = unit / count * kRowBlock, c = unit % count * kPanel;
      const int64_t left = columns - c;
      const Vec bias0 = bias ? load_first(bias + c, left) : Vec{};
      const Vec bias1 = bias ? load_first(bias + c + kLanes, left - kLanes) : Vec{};
      for_row_tiles(std::min(kRowBlock, rows - begin_row), [&](auto height, int64_t row) {
        constexpr int kRows = decltype(height)::value;
        row += begin_row;
        alignas(32) float tile[kRows][kPanel];
        multiply<kRows>(depth, a.data + row * a.row_stride, a.row_stride, a.panel_stride,
                        b + c * depth, tile[0]);
        float* const to = y.f32() + (first + row) * y.pitch + c;
        unroll<kRows>([&](auto r) __attribute__((always_inline)) {
          const Vec v0 = load(tile[r]) + bias0, v1 = load(tile[r] + kLanes) + bias1;
          store_first(to + r * y.pitch, with_relu ? relu(v0) : v0, left);
          store_first(to + r * y.pitch + kLanes, with_relu ? relu(v1) : v1, left - kLanes);
        });
      });
    }
  });
}

class PointwiseConvolution final : public Convolution {
 public:
  explicit PointwiseConvolution(const ConvolutionGeometry& geometry)
      : in_(geometry.input.c),
        out_(geometry.output.c),
        rows_(geometry.input.pixels()),
        relu_(geometry.relu) {}

  std::string name() const override { return "gemm"; }
  int64_t stored_elements() const override { return panels(out_) * kPanel * in_; }
  int64_t stored_index(int64_t out, int64_t in, int64_t) const override {
    return (out / kPanel * in_ + in) * kPanel + out % kPanel;
  }
  size_t backward_workspace(bool needs_dx) const override {
    const int64_t for_weights = block_rows(in_) * kPanel * (panels(in_) + panels(out_));
    const int64_t for_data = panels(in_) * kPanel * out_ + block_rows(0) * kPanel * panels(out_);
    return sizeof(float) * static_cast<size_t>(std::max(for_weights, needs_dx ? for_data : 0));
  }

  void forward(const TensorView& x, const float* weights, const float* bias, const TensorView& y,
               void*) override {
    multiply_rows({x.f32(), x.pitch, kPanel}, in_, weights, bias, relu_, y, 0, rows_);
  }

  void backward_data(const OutputGradient& gradient, const float* weights, const TensorView& dx,
                     void* workspace) override {
    float* const turned = static_cast<float*>(workspace);
    transpose_panels(weights, in_, out_, turned);
    const TensorView& dy = gradient.dy;
    if (!gradient.relu_output) {
      multiply_rows({dy.f32(), dy.pitch, kPanel}, out_, turned, nullptr, false, dx, 0, rows_);
      return;
    }
    float* const packed = turned + panels(in_) * kPanel * out_;
    for (int64_t first = 0; first < rows_; first += block_rows(0)) {
      const int64_t rows = std::min(block_rows(0), rows_ - first);
      parallel_for(
          rows, [&](int64_t row) { pack_row(dy, gradient.relu_output, first, rows, row, packed); });
      multiply_rows({packed, kPanel, rows * kPanel}, out_, turned, nullptr, false, dx, first, rows);
    }
  }

  void backward_weights(const TensorView& x, const OutputGradient& gradient, float* dw, float* db,
                        void* workspace) override {
    const int64_t block = block_rows(in_), ins = panels(in_);
    float* const packed_x = static_cast<float*>(workspace);
    float* const packed_dy = packed_x + block * kPanel * ins;
    for (int64_t first = 0; first < rows_; first += block) {
      const int64_t rows = std::min(block, rows_ - first);
      parallel_both(
          rows, [&](int64_t row) { pack_row(x, {}, first, rows, row, packed_x); }, rows,
          [&](int64_t row) {
            pack_row(gradient.dy, gradient.relu_output, first, rows, row, packed_dy);
          });
      parallel_for(panels(out_) * ins, [&](int64_t unit) {
        const int64_t panel = unit / ins, in = unit % ins * kPanel;
        const float* const b = packed_dy + panel * rows * kPanel;
        multiply_columns(std::min(kPanel, in_ - in), rows, packed_x + in * rows, b, first > 0,
                         dw + (panel * in_ + in) * kPanel);
        if (db && in == 0) {
          sum_rows(rows, b, first > 0, out_ - panel * kPanel, db + panel * kPanel);
        }
      });
    }
  }

 private:
  /// Rows whose packed dy, and packed x of so many channels, keep to kBlockBytes.
  int64_t block_rows(int64_t with_in) const {
    const int64_t bytes = (panels(with_in) + panels(out_)) * kPanel * int64_t{sizeof(float)};
    return std::min(rows_, std::max(kSumLength, kBlockBytes / bytes));
  }

  int64_t in_, out_, rows_;
  bool relu_;
};

}  // namespace

std::unique_ptr<Convolution> make_pointwise(const ConvolutionGeometry& geometry) {
  return std::make_unique<PointwiseConvolution>(geometry);
}

}  // namespace engine
