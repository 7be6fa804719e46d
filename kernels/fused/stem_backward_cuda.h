#pragma once

// Backward: a pooled pixel's gradient belongs to one pixel of the convolution, the one that it
// chose. So nothing is spread out: a lane takes a filter, a warp seven neighbours in a row of the
// taps, and for each pooled pixel adds its gradient times the seven pixels of the patch below the
// chosen place. For pools that move by s pixels those are s * s times fewer products than over all
// of the convolution's pixels, at one read of shared memory each. A block does this for some tiles
// and leaves a row of sums; a second kernel adds the rows in their order. No atomics.

#include "kernels/fused/stem_patch_cuda.h"
#include "kernels/nn/channel_sums_cuda.h"

namespace engine {

inline constexpr int kStemTaps = StemTile::kTaps;  // of a thread
inline constexpr int kStemWarps = 7;               // of a block, at most

/// Tiles of all images, cut among blocks.
struct StemTiles {
  int count, size, blocks;
};

/// What a thread of backward adds up: gradients times the patch for taps [tap, tap + kStemTaps) of
/// row `row` of its filter, and the gradients themselves.
struct StemSums {
  float taps[kStemTaps] = {};
  float bias = 0;
};

/// Adds what the pooled pixels of a tile bring. patch: below the thread's first tap. offsets: from
/// the first place of a window of the pool to its others, in the patch.
template <class T>
__device__ void add_tile(const StemShape& shape, const StemPlace& place, Slice<T> dy,
                         const uint8_t* places, uint32_t filter, const float* patch,
                         const int* offsets, StemSums& sums) {
  for (int oy = place.pooled_y.begin; oy < place.pooled_y.end; ++oy) {
    const int y = shape.pool_y.start(oy) - place.y.begin;
    for (int ox = place.pooled_x.begin; ox < place.pooled_x.end; ++ox) {
      const uint32_t pixel = shape.pooled_pixel(place, oy, ox);
      const uint8_t winner = places[static_cast<size_t>(pixel) * shape.filters + filter];
      const bool chosen = winner != kNoPlace;
      // Not a choice between two values: a gradient that is NaN stays visible, as in the ops apart.
      const float gradient = to_float(*dy.at(pixel, filter)) * (chosen ? 1.0f : 0.0f);
      const int window = shape.patch_at(y, shape.pool_x.start(ox) - place.x.begin);
      const float* from = patch + (chosen ? window + offsets[winner] : 0);
      for (int i = 0; i < kStemTaps; ++i) sums.taps[i] = fmaf(gradient, from[i], sums.taps[i]);
      sums.bias += gradient;
    }
  }
}

/// Reads the images once for each block of the grid's other axes, dy and places once for each seven
/// taps (all from the caches after the first time), and writes a row of partial a block: [taps + 1]
/// [filters], the last for the bias. 2 * taps operations a pooled value.
template <class T>
__global__ void __launch_bounds__(kStemWarps * 32)
    stem_backward(Slice<T> x, Slice<T> dy, const uint8_t* places, StemShape shape, StemTiles tiles,
                  float* partial) {
  __shared__ float patch[StemTile::kPatchFloats];
  __shared__ int offsets[Stem::kMostPlaces];
  const int warps = static_cast<int>(blockDim.x / 32);
  const int shares = (shape.row_taps() + kStemTaps - 1) / kStemTaps;  // of a row of taps
  const int share = static_cast<int>(blockIdx.z) * warps + static_cast<int>(threadIdx.x / 32);
  const int row = share / shares, tap = share % shares * kStemTaps;
  const uint32_t filter = blockIdx.y * StemTile::kFilters + threadIdx.x % 32;
  const auto filters = static_cast<uint32_t>(shape.filters);
  const bool works = row < shape.conv_y.kernel && filter < filters;
  for (int i = static_cast<int>(threadIdx.x); i < shape.pool_y.kernel * shape.pool_x.kernel;
       i += static_cast<int>(blockDim.x)) {
    offsets[i] = shape.patch_at(i / shape.pool_x.kernel, i % shape.pool_x.kernel);
  }
  StemSums sums;
  const int first = static_cast<int>(blockIdx.x) * tiles.size;
  for (int i = first; i < min(first + tiles.size, tiles.count); ++i) {
    const StemPlace place = shape.place(i);
    __syncthreads();  // who still reads the patch of the tile before
    read_patch(x, shape, place, patch);
    __syncthreads();
    if (!works) continue;
    add_tile(shape, place, dy, places, filter, patch + row * shape.patch_pitch + tap, offsets,
             sums);
  }
  if (!works) return;
  float* to = partial + static_cast<size_t>(blockIdx.x) * (shape.taps() + 1) * filters + filter;
  for (int i = 0; i < kStemTaps; ++i) {
    if (tap + i < shape.row_taps()) to[(row * shape.row_taps() + tap + i) * filters] = sums.taps[i];
  }
  if (share == 0) to[shape.taps() * filters] = sums.bias;
}

/// A thread a weight or bias: adds the rows of partial, 4 bytes each, in double precision.
template <unsigned Lanes, class T>
__global__ void combine_stem_gradients(const float* partial, GradientBlocks blocks,
                                       uint32_t filters, T* dw, T* db) {
  const double sum = sum_of_blocks<Lanes>(partial, blocks);
  const uint32_t i = blockIdx.x * Lanes + threadIdx.x;
  if (threadIdx.x >= Lanes || i >= blocks.channels) return;
  const uint32_t taps = blocks.channels / filters - 1, tap = i / filters, filter = i % filters;
  assign(tap < taps ? dw[size_t{filter} * taps + tap] : db[filter], static_cast<float>(sum));
}

}  // namespace engine
