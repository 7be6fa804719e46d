#pragma once

// One tile between an NHWC tensor and the interpolation points, all of its channels.

#include <algorithm>

#include "engine/core/tensor.h"
#include "kernels/nn/winograd_transforms.h"

namespace engine {

/// Values at the interpolation points: [point][panel of channels][row][16], a row being a tile or,
/// for weights, an input channel.
class PointTensor {
 public:
  PointTensor(float* data, int64_t channels, int64_t rows)
      : data_(data),
        panels_(engine::panels(channels)),
        rows_(rows),
        stride_(stride(channels, rows)) {}

  /// Floats from one point to the next: an odd number of lines. A transform writes one line to
  /// each of up to 64 points, which would else compete for one set of the first-level cache.
  static int64_t stride(int64_t channels, int64_t rows) {
    return ((engine::panels(channels) * rows) | 1) * kPanel;
  }

  int64_t panels() const { return panels_; }
  int64_t rows() const { return rows_; }
  int64_t stride() const { return stride_; }
  int64_t panel_stride() const { return rows_ * kPanel; }
  float* at(int64_t point, int64_t panel, int64_t row = 0) const {
    return data_ + point * stride_ + (panel * rows_ + row) * kPanel;
  }

 private:
  float* data_;
  int64_t panels_, rows_, stride_;
};

/// The tiles of all images of a tensor, 4x4 pixels each, and where their windows begin in another
/// tensor that is read.
struct TileGrid {
  Shape shape;                        ///< of the tensor that the tiles partition
  int64_t pad_top = 0, pad_left = 0;  ///< rows and columns that a tile's window begins before it
  int64_t rows = (shape.h + kWinogradTile - 1) / kWinogradTile;
  int64_t columns = (shape.w + kWinogradTile - 1) / kWinogradTile;

  int64_t tiles() const { return shape.n * rows * columns; }
  int64_t image(int64_t tile) const { return tile / (rows * columns); }
  int64_t top(int64_t tile) const { return tile / columns % rows * kWinogradTile; }
  int64_t left(int64_t tile) const { return tile % columns * kWinogradTile; }
};

/// What a transform reads: an NHWC tensor, and the ReLU output that masks it if it is a gradient.
struct TileSource {
  TensorView values;
  TensorView mask;     ///< null: nothing is masked
  const float* zeros;  ///< a pixel outside of the image: as many as the padded channels
};

/// Transforms one tile's window of Matrix::kColumns^2 pixels. Reads each pixel's channels once and
/// writes a line to every point for each panel of channels; those lines are fetched one panel
/// ahead, since stores that miss the first-level cache would wait for each other.
template <int R, class Matrix, bool Masked>
void tile_to_points(const TileSource& source, const TileGrid& grid, int64_t tile,
                    const PointTensor& points, int64_t row) {
  constexpr int N = WinogradTables<R>::N, K = Matrix::kColumns;
  const Shape& s = source.values.shape;
  const int64_t top = grid.top(tile) - grid.pad_top, left = grid.left(tile) - grid.pad_left;
  const float* pixels[K][K];
  const float* masks[Masked ? K : 1][K];
  for (int64_t i = 0; i < K; ++i) {
    for (int64_t j = 0; j < K; ++j) {
      const int64_t h = top + i, w = left + j;
      const bool in_image = h >= 0 && h < s.h && w >= 0 && w < s.w;
      const int64_t pixel = (grid.image(tile) * s.h + h) * s.w + w;
      pixels[i][j] = in_image ? source.values.f32() + pixel * source.values.pitch : source.zeros;
      if constexpr (Masked) {
        masks[i][j] = in_image ? source.mask.f32() + pixel * source.mask.pitch : source.zeros;
      }
    }
  }
  const ColumnRange inside{static_cast<int>(std::clamp<int64_t>(-left, 0, K)),
                           static_cast<int>(std::clamp<int64_t>(s.w - left, 0, K))};
  float* to = points.at(0, 0, row);
  for (int64_t c = 0; c < points.panels() * kPanel; c += kLanes) {
    const bool second_half = c % kPanel != 0;
    const int64_t next = second_half ? points.panel_stride() - kLanes : kLanes;
    const int64_t ahead = points.panel_stride();
    const auto write = [&](int i, int j, Vec value) __attribute__((always_inline)) {
      float* const p = to + (i * N + j) * points.stride();
      store(p, value);
      if (!second_half) __builtin_prefetch(p + ahead, 1, 3);
    };
    const auto transform = [&](const auto& get) __attribute__((always_inline)) {
      expand<Matrix, N>(
          [&](int i, int j) __attribute__((always_inline)) {
            const Vec x = get(pixels[i][j] + c);
            if constexpr (Masked) {
              return where_positive(x, get(masks[i][j] + c));
            } else {
              return x;
            }
          },
          write, inside);
    };
    if (c + kLanes <= s.c) {
      transform([](const float* p) __attribute__((always_inline)) { return load(p); });
    } else {
      transform([&](const float* p) { return load_first(p, s.c - c); });
    }
    to += next;
  }
}

/// Brings one tile back to 4x4 pixels (fewer at the lower and right edge) of an NHWC tensor, with
/// bias (or null) and ReLU on the way.
template <int R>
void tile_from_points(const PointTensor& points, int64_t row, const TileGrid& grid, int64_t tile,
                      const float* bias, bool with_relu, const TensorView& output) {
  using Tables = WinogradTables<R>;
  constexpr int N = Tables::N;
  const Shape& s = output.shape;
  const int64_t top = grid.top(tile), left = grid.left(tile);
  const int64_t height = std::min<int64_t>(kWinogradTile, s.h - top);
  const int64_t width = std::min<int64_t>(kWinogradTile, s.w - left);
  float* const y = output.f32() + ((grid.image(tile) * s.h + top) * s.w + left) * output.pitch;
  const float* from = points.at(0, 0, row);
  for (int64_t c = 0; c < s.c; c += kLanes) {
    const int64_t count = s.c - c;
    const Vec b = bias ? load_first(bias + c, count) : Vec{};
    contract<typename Tables::A, N>(
        [&](int i, int j)
            __attribute__((always_inline)) { return load(from + (i * N + j) * points.stride()); },
        [&](int i, int j, Vec value) __attribute__((always_inline)) {
          if (i >= height || j >= width) return;
          value = value + b;
          if (with_relu) value = relu(value);
          store_first(y + (i * s.w + j) * output.pitch + c, value, count);
        });
    from += c % kPanel ? points.panel_stride() - kLanes : kLanes;
  }
}

}  // namespace engine
