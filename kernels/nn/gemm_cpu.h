#pragma once

// Register tiles of matrix products. The right operand is a panel of 16 columns, [k][16], so that
// it streams through the caches in whole lines. Element (r, k) of the left operand lies at
//
//   a[k / 16 * panel_stride + r * row_stride + k % 16]
//
// which is a row-major matrix (panel_stride 16, row_stride its pitch: an NHWC tensor needs no
// packing) or a set of panels (row_stride 16, panel_stride 16 times their rows).

#include <algorithm>

#include "kernels/nn/simd_cpu.h"

namespace engine {

/// Six rows of two vectors leave four of sixteen registers for the operands: 12 FMAs for 8 loads,
/// which keeps both FMA units of an AVX2 core busy.
constexpr int kTileRows = 6;
/// Sums of products are cut into pieces of this length, which are added one after the other: the
/// rounding error grows with the square root of a piece's length, and a piece of both operands
/// stays in the first-level cache.
constexpr int64_t kSumLength = 128;

template <int Rows>
struct Tile {
  Vec v[Rows][2];
};

template <int Rows>
ENGINE_INLINE void multiply_step(Tile<Rows>& tile, const float* a, int64_t row_stride,
                                 const float* b) {
  const Vec b0 = load(b), b1 = load(b + kLanes);
  unroll<Rows>([&](auto r) __attribute__((always_inline)) {
    const Vec x = broadcast(a[r * row_stride]);
    tile.v[r][0] = fma(x, b0, tile.v[r][0]);
    tile.v[r][1] = fma(x, b1, tile.v[r][1]);
  });
}

/// c (+)= a * b over at most kSumLength columns of a; c has rows of 16. A function of its own, so
/// that all registers are the tile's. RowStride 0: not known at compile time.
template <int Rows, int64_t RowStride>
[[gnu::noinline]] void multiply_piece(int64_t depth, const float* a, int64_t row_stride,
                                      int64_t panel_stride, const float* b, bool accumulate,
                                      float* c) {
  const int64_t stride = RowStride ? RowStride : row_stride;
  Tile<Rows> tile{};
  for (; depth >= kPanel; depth -= kPanel) {
    for (int k = 0; k < kPanel; k += 4) {
      unroll<4>([&](auto u) __attribute__((always_inline)) {
        multiply_step(tile, a + k + u, stride, b + (k + u) * kPanel);
      });
    }
    a += panel_stride;
    b += kPanel * kPanel;
  }
  for (int64_t k = 0; k < depth; ++k) multiply_step(tile, a + k, stride, b + k * kPanel);
  unroll<Rows>([&](auto r) __attribute__((always_inline)) {
    float* const to = c + r * kPanel;
    store(to, accumulate ? tile.v[r][0] + load(to) : tile.v[r][0]);
    store(to + kLanes, accumulate ? tile.v[r][1] + load(to + kLanes) : tile.v[r][1]);
  });
}

/// c = rows of a times the panel b; c has rows of 16.
template <int Rows, int64_t RowStride = 0>
inline void multiply(int64_t depth, const float* a, int64_t row_stride, int64_t panel_stride,
                     const float* b, float* c) {
  for (int64_t done = 0; done < depth; done += kSumLength) {
    multiply_piece<Rows, RowStride>(std::min(depth - done, kSumLength), a, row_stride, panel_stride,
                                    b, done > 0, c);
    a += kSumLength / kPanel * panel_stride;
    b += kSumLength * kPanel;
  }
}

/// transpose(a) * b over at most kSumLength rows, where a points at `Rows` neighbouring columns.
template <int Rows>
ENGINE_INLINE Tile<Rows> multiply_columns_piece(int64_t depth, const float* a, const float* b) {
  Tile<Rows> tile{};
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    unroll<4>([&](auto u) __attribute__((always_inline)) {
      multiply_step(tile, a + (k + u) * kPanel, 1, b + (k + u) * kPanel);
    });
  }
  for (; k < depth; ++k) multiply_step(tile, a + k * kPanel, 1, b + k * kPanel);
  return tile;
}

/// Calls body(constant number of rows, first row) for tiles that cover `rows` rows.
template <class Body>
ENGINE_INLINE void for_row_tiles(int64_t rows, const Body& body) {
  int64_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) {
    body(std::integral_constant<int, kTileRows>{}, r);
  }
  switch (rows - r) {
    case 1:
      body(std::integral_constant<int, 1>{}, r);
      break;
    case 2:
      body(std::integral_constant<int, 2>{}, r);
      break;
    case 3:
      body(std::integral_constant<int, 3>{}, r);
      break;
    case 4:
      body(std::integral_constant<int, 4>{}, r);
      break;
    case 5:
      body(std::integral_constant<int, 5>{}, r);
      break;
    default:
      break;
  }
}

/// c (+)= transpose(a) * b, where a and b are panels of `depth` rows and c is a panel with one row
/// for each of the first `columns` columns of a.
inline void multiply_columns(int64_t columns, int64_t depth, const float* a, const float* b,
                             bool accumulate, float* c) {
  for (int64_t done = 0; done < depth; done += kSumLength) {
    const int64_t piece = std::min(kSumLength, depth - done);
    const bool accumulate_piece = accumulate || done > 0;
    for_row_tiles(columns, [&](auto height, int64_t row) {
      constexpr int kRows = decltype(height)::value;
      const Tile<kRows> tile =
          multiply_columns_piece<kRows>(piece, a + done * kPanel + row, b + done * kPanel);
      unroll<kRows>([&](auto r) __attribute__((always_inline)) {
        float* const to = c + (row + r) * kPanel;
        store(to, accumulate_piece ? tile.v[r][0] + load(to) : tile.v[r][0]);
        store(to + kLanes, accumulate_piece ? tile.v[r][1] + load(to + kLanes) : tile.v[r][1]);
      });
    });
  }
}

/// sums (+)= the sum over the rows of a panel, for its first `count` columns.
inline void sum_rows(int64_t rows, const float* panel, bool accumulate, int64_t count,
                     float* sums) {
  for (int64_t half = 0; half < kPanel && half < count; half += kLanes) {
    Vec total = accumulate ? load_first(sums + half, count - half) : Vec{};
    for (int64_t done = 0; done < rows; done += kSumLength) {
      Vec sum{};
      for (int64_t r = done; r < std::min(rows, done + kSumLength); ++r) {
        sum = sum + load(panel + r * kPanel + half);
      }
      total = total + sum;
    }
    store_first(sums + half, total, count - half);
  }
}

/// Two independent loops on all threads, with one wait at the end of both.
template <class First, class Second>
void parallel_both(int64_t first_count, const First& first, int64_t second_count,
                   const Second& second) {
#pragma omp parallel
  {
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < first_count; ++i) first(i);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < second_count; ++i) second(i);
  }
}

/// Hints the processor to fetch a range into the second-level cache, a few lines at a time, while
/// it computes on something else.
class Prefetcher {
 public:
  Prefetcher(const float* first, int64_t lines, int64_t steps)
      : next_(first), lines_(lines), at_once_((lines + steps - 1) / steps) {}
  ENGINE_INLINE void step() {
    for (int64_t i = std::min(at_once_, lines_); i > 0; --i, --lines_, next_ += kPanel) {
      __builtin_prefetch(next_, 0, 2);
    }
  }

 private:
  const float* next_;
  int64_t lines_, at_once_;
};

}  // namespace engine
