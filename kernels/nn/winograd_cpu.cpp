// Convolution with stride 1 and a 3x3 or 5x5 kernel by Winograd's minimal filtering F(4x4, RxR):
// 2.25 (3x3) or 4 (5x5) multiplications an output pixel and pair of channels instead of 9 or 25.
// The exact gradients of a convolution are made of the same parts:
//
//   y  = A' [ (B' x B) . (G w G') ] A       forward
//   dx = the same with dy in place of x and the kernel turned by 180 degrees and transposed
//   dw = G' [ (B' x B)' . (A dy A') ] G     summed over tiles
//
// where . is, at each of the N x N interpolation points, a matrix product over channels (dw: over
// tiles). Tiles are taken in blocks whose points stay in the last-level cache: at the points a
// tensor is 2.25 (3x3) or 4 (5x5) times as large, and would else go through memory twice.
// Every sum has one order, whatever the number of threads.

#include <vector>

#include "engine/core/error.h"
#include "engine/cpu/parallel.h"
#include "kernels/nn/convolution_cpu.h"
#include "kernels/nn/gemm_cpu.h"
#include "kernels/nn/winograd_tiles.h"
#include "kernels/nn/winograd_weights.h"

namespace engine {
namespace {

constexpr int64_t kBlockBytes = 8 << 20;  ///< of both operands' points
constexpr int64_t kLeastBlock = 24;       ///< tiles: fewer would make the products too flat

/// The product at every point: result[point][panel][row] = rows of a times the panel of b.
void multiply_points(int64_t points, const PointTensor& a, int64_t depth, const PointTensor& b,
                     const PointTensor& result) {
  const int64_t rows = a.rows(), count = result.panels();
  const int64_t row_tiles = (rows + kTileRows - 1) / kTileRows;
  const int64_t share = (a.panels() * rows + count - 1) / count;  // of the next point's a, in lines
  parallel_ranges(points * count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t point = unit / count, panel = unit % count;
      const int64_t next = std::min(unit + 1, end - 1);
      const int64_t next_lines = std::min(share, a.panels() * rows - panel * share);
      Prefetcher next_b(b.at(next / count, next % count), depth, row_tiles);
      Prefetcher next_a(a.at(std::min(point + 1, points - 1), 0) + panel * share * kPanel,
                        next_lines, row_tiles);
      for_row_tiles(rows, [&](auto height, int64_t row) {
        constexpr int kRows = decltype(height)::value;
        next_b.step();
        next_a.step();
        multiply<kRows, kPanel>(depth, a.at(point, 0, row), kPanel, a.panel_stride(),
                                b.at(point, panel), result.at(point, panel, row));
      });
    }
  });
}

template <int R>
class WinogradConvolution final : public Convolution {
 public:
  using Tables = WinogradTables<R>;
  static constexpr int N = Tables::N;
  static constexpr int64_t kPoints = N * N;

  explicit WinogradConvolution(const ConvolutionGeometry& geometry)
      : in_(geometry.input.c),
        out_(geometry.output.c),
        forward_grid_{geometry.output, geometry.window.padding.top, geometry.window.padding.left},
        data_grid_{geometry.input, R - 1 - geometry.window.padding.top,
                   R - 1 - geometry.window.padding.left},
        relu_(geometry.relu),
        zeros_(static_cast<size_t>(std::max(panels(in_), panels(out_)) * kPanel)) {}

  std::string name() const override {
    return fmt::format("winograd {}x{}", kWinogradTile, kWinogradTile);
  }
  int64_t stored_elements() const override { return panels(out_) * kPanel * in_ * R * R; }
  int64_t stored_index(int64_t out, int64_t in, int64_t tap) const override {
    return ((out / kPanel * in_ + in) * R * R + tap) * kPanel + out % kPanel;
  }

  size_t forward_workspace() const override { return workspace(forward_grid_, in_, out_); }
  size_t backward_workspace(bool needs_dx) const override {
    const size_t for_weights = workspace(forward_grid_, in_, out_);
    return needs_dx ? std::max(for_weights, workspace(data_grid_, out_, in_)) : for_weights;
  }

  void forward(const TensorView& x, const float* weights, const float* bias, const TensorView& y,
               void* workspace) override {
    const PointTensor u(static_cast<float*>(workspace), out_, in_);
    const auto transform = [&](int64_t unit) { weights_to_points<R>(weights, unit, u); };
    convolve({x, {}, zeros_.data()}, forward_grid_, u, in_, u.panels() * in_, transform, bias,
             relu_, y);
  }

  void backward_data(const OutputGradient& gradient, const float* weights, const TensorView& dx,
                     void* workspace) override {
    const PointTensor u(static_cast<float*>(workspace), in_, out_);
    const auto transform = [&](int64_t unit) {
      turned_weights_to_points<R>(weights, in_, out_, unit, u);
    };
    const int64_t units = u.panels() * ((out_ + kLanes - 1) / kLanes);
    convolve({gradient.dy, gradient.relu_output, zeros_.data()}, data_grid_, u, out_, units,
             transform, nullptr, false, dx);
  }

  void backward_weights(const TensorView& x, const OutputGradient& gradient, float* dw, float* db,
                        void* workspace) override;

 private:
  /// Tiles of a block: equal blocks (but for the last) that keep to kBlockBytes.
  static int64_t block_tiles(const TileGrid& grid, int64_t channels) {
    const int64_t bytes = kPoints * channels * static_cast<int64_t>(sizeof(float));
    const int64_t most = std::max(kLeastBlock, kBlockBytes / bytes);
    const int64_t blocks = (grid.tiles() + most - 1) / most;
    return (grid.tiles() + blocks - 1) / blocks;
  }
  /// Points of the weights (from x to in), then of a block of both tensors.
  static size_t workspace(const TileGrid& grid, int64_t from, int64_t to) {
    const int64_t rows = block_tiles(grid, from + to);
    const int64_t floats = PointTensor::stride(to, from) + PointTensor::stride(from, rows) +
                           PointTensor::stride(to, rows);
    return static_cast<size_t>(kPoints * floats) * sizeof(float);
  }

  /// u takes the weights' points, which transform_weights(unit) makes.
  template <class Transform>
  void convolve(const TileSource& source, const TileGrid& grid, const PointTensor& u, int64_t from,
                int64_t weight_units, const Transform& transform_weights, const float* bias,
                bool relu, const TensorView& output) const;

  int64_t in_, out_;
  TileGrid forward_grid_;  ///< over y, windows in x
  TileGrid data_grid_;     ///< over dx, windows in dy
  bool relu_;
  std::vector<float> zeros_;
};

template <int R, class Matrix>
void row_to_points(const TileSource& source, const TileGrid& grid, int64_t first,
                   const PointTensor& points, int64_t row) {
  if (source.mask) {
    tile_to_points<R, Matrix, true>(source, grid, first + row, points, row);
  } else {
    tile_to_points<R, Matrix, false>(source, grid, first + row, points, row);
  }
}

template <int R>
template <class Transform>
void WinogradConvolution<R>::convolve(const TileSource& source, const TileGrid& grid,
                                      const PointTensor& u, int64_t from, int64_t weight_units,
                                      const Transform& transform_weights, const float* bias,
                                      bool relu, const TensorView& output) const {
  const int64_t to = output.shape.c, block = block_tiles(grid, from + to);
  const auto rows_at = [&](int64_t first) {
    return std::clamp<int64_t>(grid.tiles() - first, 0, block);
  };
  float* const v_data = u.at(kPoints, 0);
  float* const m_data = v_data + kPoints * PointTensor::stride(from, block);
  PointTensor v(v_data, from, rows_at(0));
  parallel_both(weight_units, transform_weights, v.rows(), [&](int64_t row) {
    row_to_points<R, typename Tables::B>(source, grid, 0, v, row);
  });
  for (int64_t first = 0; first < grid.tiles(); first += block) {
    const PointTensor m(m_data, to, v.rows());
    multiply_points(kPoints, v, from, u, m);
    v = PointTensor(v_data, from, rows_at(first + block));
    parallel_both(
        m.rows(),
        [&](int64_t row) { tile_from_points<R>(m, row, grid, first + row, bias, relu, output); },
        v.rows(),
        [&](int64_t row) {
          row_to_points<R, typename Tables::B>(source, grid, first + block, v, row);
        });
  }
}

template <int R>
void WinogradConvolution<R>::backward_weights(const TensorView& x, const OutputGradient& gradient,
                                              float* dw, float* db, void* workspace) {
  const int64_t block = block_tiles(forward_grid_, in_ + out_);
  const TileSource x_source{x, {}, zeros_.data()};
  const TileSource dy_source{gradient.dy, gradient.relu_output, zeros_.data()};
  const TileGrid dy_grid{forward_grid_.shape};
  const PointTensor du(static_cast<float*>(workspace), out_, in_);
  float* const v_data = du.at(kPoints, 0);
  float* const m_data = v_data + kPoints * PointTensor::stride(in_, block);
  for (int64_t first = 0; first < dy_grid.tiles(); first += block) {
    const int64_t rows = std::min(block, dy_grid.tiles() - first);
    const PointTensor v(v_data, in_, rows), dm(m_data, out_, rows);
    parallel_both(
        rows,
        [&](int64_t row) {
          row_to_points<R, typename Tables::B>(x_source, forward_grid_, first, v, row);
        },
        rows,
        [&](int64_t row) {
          row_to_points<R, typename Tables::A>(dy_source, dy_grid, first, dm, row);
        });
    parallel_for(kPoints * dm.panels() * v.panels(), [&](int64_t unit) {
      const int64_t point = unit / v.panels() / dm.panels();
      const int64_t panel = unit / v.panels() % dm.panels(), in_panel = unit % v.panels();
      multiply_columns(std::min(kPanel, in_ - in_panel * kPanel), rows, v.at(point, in_panel),
                       dm.at(point, panel), first > 0, du.at(point, panel, in_panel * kPanel));
      // All powers at the point (1, 1) are one: there dm is the sum of dy over the tile.
      if (db && point == N + 1 && in_panel == 0) {
        sum_rows(rows, dm.at(point, panel), first > 0, out_ - panel * kPanel, db + panel * kPanel);
      }
    });
  }
  parallel_for(du.panels() * in_, [&](int64_t unit) { weights_from_points<R>(du, unit, dw); });
}

}  // namespace

std::unique_ptr<Convolution> make_winograd(const ConvolutionGeometry& geometry) {
  if (geometry.window.kernel_h == 3) return std::make_unique<WinogradConvolution<3>>(geometry);
  return std::make_unique<WinogradConvolution<5>>(geometry);
}

}  // namespace engine
