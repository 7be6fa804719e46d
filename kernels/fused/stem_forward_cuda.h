#pragma once

// Forward: a block makes a tile of pooled pixels of one image for 32 filters. The patch of the
// image and the weights go to shared memory; a thread makes 8 filters at 8 pixels of the
// convolution, which are strewn over the tile so that a warp's lanes read neighbouring pixels. They
// stay in shared memory, rounded as they would be in main memory, until the block has pooled them.

#include "kernels/fused/stem_patch_cuda.h"
#include "kernels/nn/activation_math.h"

namespace engine {

inline constexpr int kStemThreads = 128;
inline constexpr int kThreadFilters = 8, kThreadPixels = 8;                 // of a thread
inline constexpr int kFilterThreads = StemTile::kFilters / kThreadFilters;  // side by side
inline constexpr int kPixelThreads = kStemThreads / kFilterThreads;         // one below the other

template <class T>
__device__ float rounded(float value) {
  T stored;
  assign(stored, value);
  return to_float(stored);
}

/// [tap][filter], zero for filters that there are not.
template <class T>
__device__ void read_weights(const T* weights, int first, const StemShape& shape, float* to) {
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  for (int f = warp; f < StemTile::kFilters; f += kStemThreads / 32) {
    const bool there = first + f < shape.filters;
    const T* from = weights + static_cast<size_t>(there ? first + f : 0) * shape.taps();
    for (int tap = lane; tap < shape.taps(); tap += 32) {
      to[tap * StemTile::kWeightPitch + f] = there ? to_float(from[tap]) : 0.0f;
    }
  }
}

struct StemBlock {
  const float *weights, *patch;
  float* outputs;  ///< [pixel][filter]
};

/// The convolution with bias and ReLU for all outputs of a tile. bias: of the block's first filter.
template <class T>
__device__ void convolve(const StemShape& shape, const StemPlace& place, const T* bias, int filters,
                         const StemBlock& block) {
  const int filter = static_cast<int>(threadIdx.x) % kFilterThreads * kThreadFilters;
  const int pixels = place.rows() * place.columns();
  Floats<kThreadFilters> start;
  for (int i = 0; i < kThreadFilters; ++i) {
    start.at[i] = filter + i < filters ? to_float(bias[filter + i]) : 0.0f;
  }
  for (int first = static_cast<int>(threadIdx.x) / kFilterThreads; first < pixels;
       first += kPixelThreads * kThreadPixels) {
    const float* from[kThreadPixels];
    Floats<kThreadFilters> sums[kThreadPixels];
    for (int j = 0; j < kThreadPixels; ++j) {
      const int pixel = min(first + j * kPixelThreads, pixels - 1), y = pixel / place.columns();
      from[j] = block.patch + shape.patch_at(y, pixel - y * place.columns());
      sums[j] = start;
    }
    const float* weights = block.weights + filter;
    for (int row = 0; row < shape.conv_y.kernel; ++row) {
      for (int tap = 0; tap < shape.row_taps(); ++tap, weights += StemTile::kWeightPitch) {
        const Floats<4> low = load<4>(weights), high = load<4>(weights + 4);
        for (int j = 0; j < kThreadPixels; ++j) {
          const float x = from[j][row * shape.patch_pitch + tap];
          for (int i = 0; i < 4; ++i) {
            sums[j].at[i] = fmaf(low.at[i], x, sums[j].at[i]);
            sums[j].at[i + 4] = fmaf(high.at[i], x, sums[j].at[i + 4]);
          }
        }
      }
    }
    for (int j = 0; j < kThreadPixels; ++j) {
      const int pixel = first + j * kPixelThreads;
      if (pixel >= pixels) break;
      Floats<4> low, high;
      for (int i = 0; i < 4; ++i) {
        low.at[i] = rounded<T>(activate<Activation::relu>(sums[j].at[i]));
        high.at[i] = rounded<T>(activate<Activation::relu>(sums[j].at[i + 4]));
      }
      float* to = block.outputs + pixel * StemTile::kFilters + filter;
      store(to, low);
      store(to + 4, high);
    }
  }
}

/// As max_pool_forward; a place whose value is not above zero is kNoPlace, for the slope of its
/// ReLU is zero.
template <class T, int V, bool Note>
__device__ void pool(const StemShape& shape, const StemPlace& place, int first,
                     const float* outputs, Slice<T> y, uint8_t* places) {
  constexpr int kLanes = StemTile::kFilters / V;
  const int channel = first + static_cast<int>(threadIdx.x) % kLanes * V;
  const int width = place.pooled_x.end - place.pooled_x.begin;
  const int count = (place.pooled_y.end - place.pooled_y.begin) * width;
  for (int i = static_cast<int>(threadIdx.x) / kLanes; i < count && channel < shape.filters;
       i += kStemThreads / kLanes) {
    const int oy = place.pooled_y.begin + i / width, ox = place.pooled_x.begin + i % width;
    const auto rows = shape.pool_y.places(oy), columns = shape.pool_x.places(ox);
    const int top = shape.pool_y.start(oy) - place.y.begin;
    const int left = shape.pool_x.start(ox) - place.x.begin;
    Floats<V> best{};
    int winner[V] = {};
    for (int ky = rows.begin; ky < rows.end; ++ky) {
      for (int kx = columns.begin; kx < columns.end; ++kx) {
        const int pixel = (top + ky) * place.columns() + left + kx;
        const auto now = load<V>(outputs + pixel * StemTile::kFilters + channel - first);
        const int number = ky * shape.pool_x.kernel + kx;
        const bool begins = ky == rows.begin && kx == columns.begin;
        for (int v = 0; v < V; ++v) {
          // Of equal values the first stays; NaN wins over everything.
          const bool wins = begins || now.at[v] > best.at[v] || now.at[v] != now.at[v];
          best.at[v] = wins ? now.at[v] : best.at[v];
          winner[v] = wins ? number : winner[v];
        }
      }
    }
    const uint32_t pixel = shape.pooled_pixel(place, oy, ox);
    store(y.at(pixel, static_cast<uint32_t>(channel)), best);
    if constexpr (Note) {
      Packed<uint8_t, V> noted;
      for (int v = 0; v < V; ++v) {
        noted.at[v] = best.at[v] > 0.0f ? static_cast<uint8_t>(winner[v]) : kNoPlace;
      }
      const size_t at = static_cast<size_t>(pixel) * shape.filters + channel;
      *reinterpret_cast<Packed<uint8_t, V>*>(places + at) = noted;
    }
  }
}

/// Reads the image once for each 32 filters (from the caches after the first), writes y and, in
/// training, a byte a pooled value. 2 * taps operations an output of the convolution; those of a
/// window that two tiles share are made twice.
template <class T, int V, bool Note>
__global__ void __launch_bounds__(kStemThreads)
    stem_forward(Slice<T> x, const T* weights, const T* bias, Slice<T> y, uint8_t* places,
                 StemShape shape) {
  __shared__ Packed<float, 4> memory[StemTile::kFloats / 4];
  const StemPlace place = shape.place(static_cast<int>(blockIdx.x));
  const int first = static_cast<int>(blockIdx.y) * StemTile::kFilters;
  float* const packed = memory->at;
  float* const outputs = packed + shape.taps() * StemTile::kWeightPitch;
  float* const patch = outputs + shape.outputs * StemTile::kFilters;
  read_weights(weights, first, shape, packed);
  read_patch(x, shape, place, patch);
  __syncthreads();
  convolve(shape, place, bias + first, shape.filters - first, {packed, patch, outputs});
  __syncthreads();
  pool<T, V, Note>(shape, place, first, outputs, y, places);
}

}  // namespace engine
