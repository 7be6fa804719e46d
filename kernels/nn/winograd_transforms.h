#pragma once

// The arithmetic of Winograd's minimal filtering F(4x4, RxR): transforms between pixels and the
// N x N interpolation points, N = R + 3. They follow from the points alone:
//
//   A (N x 4)  values of the powers at the points
//   G (N x R)  the same, divided by the products of differences of the points
//   B (N x N)  coefficients of the polynomials that vanish at all other points
//
// The points are 0, pairs +p and -p, and infinity. Rows of a pair differ only in the sign of their
// odd columns, so each pair costs one even and one odd sum. Of the symmetric sets tried for 5x5,
// +-1, +-2, +-1/2 rounded least (twice the error of 3x3; +-1, +-1/2, +-1/4 seventy times as much).

#include "kernels/nn/simd_cpu.h"

namespace engine {

constexpr int kWinogradTile = 4;  ///< outputs of a tile along one axis

template <int R>
struct WinogradTables {
  static_assert(R == 3 || R == 5);
  static constexpr int N = R + kWinogradTile - 1;

  static constexpr double point(int i) {
    constexpr double points[] = {0, 1, -1, 2, -2, 0.5, -0.5};
    return points[i];
  }
  static constexpr double power(double x, int exponent) {
    double result = 1;
    for (int i = 0; i < exponent; ++i) result *= x;
    return result;
  }
  /// Product of the differences between point i and the other finite points.
  static constexpr double difference_product(int i) {
    double product = 1;
    for (int j = 0; j < N - 1; ++j) product *= i == j ? 1 : point(i) - point(j);
    return product;
  }

  struct A {
    static constexpr int kColumns = kWinogradTile;
    static constexpr float at(int i, int j) {
      return static_cast<float>(i == N - 1 ? j == kColumns - 1 : power(point(i), j));
    }
  };
  struct G {
    static constexpr int kColumns = R;
    static constexpr float at(int i, int j) {
      if (i == N - 1) return j == kColumns - 1;
      return static_cast<float>(power(point(i), j) / difference_product(i));
    }
  };
  struct B {
    static constexpr int kColumns = N;
    /// Coefficient j of the product of (x - p) over all finite points p but the i-th.
    static constexpr float at(int i, int j) {
      double c[N + 1] = {1};
      for (int p = 0, degree = 0; p < N - 1; ++p) {
        if (p == i) continue;
        ++degree;
        for (int k = degree; k >= 0; --k) c[k] = (k ? c[k - 1] : 0) - point(p) * c[k];
      }
      return static_cast<float>(c[j]);
    }
  };
};

/// accumulator (+)= coefficient * x with what is known at compile time left out.
template <bool First>
ENGINE_INLINE void add_term(Vec& sum, float coefficient, Vec x) {
  if (First) {
    sum = coefficient == 1 ? x : broadcast(coefficient) * x;
  } else if (coefficient == 1) {
    sum = sum + x;
  } else if (coefficient == -1) {
    sum = sum - x;
  } else {
    sum = fma(broadcast(coefficient), x, sum);
  }
}

/// Sum over j = Begin, Begin + Step ... of Matrix(i, j) * x[j].
template <class Matrix, int I, int Begin, int Step, bool First = true>
ENGINE_INLINE void row_sum(Vec& sum, const Vec* x) {
  if constexpr (Begin < Matrix::kColumns) {
    constexpr float coefficient = Matrix::at(I, Begin);
    if constexpr (coefficient != 0) add_term<First>(sum, coefficient, x[Begin]);
    row_sum<Matrix, I, Begin + Step, Step, First && coefficient == 0>(sum, x);
  }
}

/// out = Matrix * x, N values from Matrix::kColumns.
template <class Matrix, int N>
ENGINE_INLINE void to_points(const Vec* x, Vec* out) {
  row_sum<Matrix, 0, 0, 1>(out[0], x);
  unroll<N / 2 - 1>([&](auto pair) __attribute__((always_inline)) {
    constexpr int i = 2 * pair + 1;
    Vec even, odd;
    row_sum<Matrix, i, 0, 2>(even, x);
    row_sum<Matrix, i, 1, 2>(odd, x);
    out[i] = even + odd;
    out[i + 1] = even - odd;
  });
  row_sum<Matrix, N - 1, 0, 1>(out[N - 1], x);
}

/// Sum over i = 1, 3 ... of Matrix(i, j) * x[i / 2], added to sum.
template <class Matrix, int J, int I, int N, bool First>
ENGINE_INLINE void column_sum(Vec& sum, const Vec* x) {
  if constexpr (I < N - 1) {
    add_term<First>(sum, Matrix::at(I, J), x[I / 2]);
    column_sum<Matrix, J, I + 2, N, false>(sum, x);
  }
}

/// out = transpose(Matrix) * v, Matrix::kColumns values from N.
template <class Matrix, int N>
ENGINE_INLINE void from_points(const Vec* v, Vec* out) {
  Vec sums[N / 2 - 1], differences[N / 2 - 1];
  unroll<N / 2 - 1>([&](auto pair) __attribute__((always_inline)) {
    sums[pair] = v[2 * pair + 1] + v[2 * pair + 2];
    differences[pair] = v[2 * pair + 1] - v[2 * pair + 2];
  });
  unroll<Matrix::kColumns>([&](auto j) __attribute__((always_inline)) {
    Vec sum;
    column_sum<Matrix, j, 1, N, true>(sum, j % 2 ? differences : sums);
    if constexpr (Matrix::at(0, j) != 0) add_term<false>(sum, Matrix::at(0, j), v[0]);
    if constexpr (Matrix::at(N - 1, j) != 0) add_term<false>(sum, Matrix::at(N - 1, j), v[N - 1]);
    out[j] = sum;
  });
}

/// Columns of pixels that may differ from zero.
struct ColumnRange {
  int begin, end;
};

/// Matrix * x * transpose(Matrix): read(i, j) gives pixels, write(i, j, value) takes N x N points.
template <class Matrix, int N, class Read, class Write>
ENGINE_INLINE void expand(const Read& read, const Write& write,
                          ColumnRange inside = {0, Matrix::kColumns}) {
  constexpr int K = Matrix::kColumns;
  Vec columns[N][K];
  for (int j = 0; j < K; ++j) {
    Vec x[K], v[N];
    if (j < inside.begin || j >= inside.end) {
      unroll<N>([&](auto i) __attribute__((always_inline)) { columns[i][j] = Vec{}; });
      continue;
    }
    unroll<K>([&](auto i) __attribute__((always_inline)) { x[i] = read(i, j); });
    to_points<Matrix, N>(x, v);
    unroll<N>([&](auto i) __attribute__((always_inline)) { columns[i][j] = v[i]; });
  }
  for (int i = 0; i < N; ++i) {
    Vec v[N];
    to_points<Matrix, N>(columns[i], v);
    unroll<N>([&](auto j) __attribute__((always_inline)) { write(i, j, v[j]); });
  }
}

/// transpose(Matrix) * v * Matrix: read(i, j) gives points, write(i, j, value) takes the result.
template <class Matrix, int N, class Read, class Write>
ENGINE_INLINE void contract(const Read& read, const Write& write) {
  constexpr int K = Matrix::kColumns;
  Vec columns[K][N];
  for (int j = 0; j < N; ++j) {
    Vec v[N], x[K];
    unroll<N>([&](auto i) __attribute__((always_inline)) { v[i] = read(i, j); });
    from_points<Matrix, N>(v, x);
    unroll<K>([&](auto i) __attribute__((always_inline)) { columns[i][j] = x[i]; });
  }
  for (int i = 0; i < K; ++i) {
    Vec x[K];
    from_points<Matrix, N>(columns[i], x);
    unroll<K>([&](auto j) __attribute__((always_inline)) { write(i, j, x[j]); });
  }
}

}  // namespace engine
