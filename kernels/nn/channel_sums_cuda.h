#pragma once

// Sums over all pixels for each channel, in an order that follows from the tensor's shape alone: a
// first kernel leaves a row of sums for each block of pixels, a second adds the rows.

#include <algorithm>
#include <bit>

#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"

namespace engine {

/// Pixels and channels cut among blocks of threads. A block is rows() of pixels by lanes of items
/// of V channels.
struct GradientBlocks {
  uint32_t pixels, channels, size, count;  ///< blocks are of size pixels
  uint32_t lanes;                          ///< a power of two

  ENGINE_HD uint32_t rows() const { return kThreadsPerBlock / lanes; }
};

/// Adds what the threads of a block have summed for V channels, the rows in pairs; valid in row 0.
/// sums: kThreadsPerBlock of them in shared memory. All threads of the block must come here.
template <int V>
__device__ Floats<V> sum_of_rows(Floats<V> sum, Floats<V>* sums, const GradientBlocks& blocks) {
  const uint32_t row = threadIdx.x / blocks.lanes;
  sums[threadIdx.x] = sum;
  for (uint32_t half = blocks.rows() / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row >= half) continue;
    for (int v = 0; v < V; ++v) sum.at[v] += sums[threadIdx.x + half * blocks.lanes].at[v];
    sums[threadIdx.x] = sum;
  }
  return sum;
}

/// Stores a block's sums for V channels from channel on as its row of partial.
template <int V>
__device__ void add_rows(Floats<V> sum, Floats<V>* sums, const GradientBlocks& blocks,
                         uint32_t channel, float* partial) {
  sum = sum_of_rows(sum, sums, blocks);
  if (threadIdx.x < blocks.lanes && channel < blocks.channels) {
    store(partial + static_cast<size_t>(blockIdx.y) * blocks.channels + channel, sum);
  }
}

/// The sum of channel blockIdx.x * Lanes + threadIdx.x, valid in the first Lanes threads: a lane of
/// each warp takes a channel, a block's warps take turns at the rows; then the warps' sums are
/// added in their order. Reads 4 bytes a partial sum. All threads of the block must come here.
template <unsigned Lanes>
__device__ double sum_of_blocks(const float* partial, const GradientBlocks& blocks) {
  constexpr unsigned kWarps = kThreadsPerBlock / Lanes;
  __shared__ double sums[kThreadsPerBlock];
  const uint32_t lane = threadIdx.x % Lanes, warp = threadIdx.x / Lanes;
  const uint32_t channel = blockIdx.x * Lanes + lane;
  double sum = 0;
  for (uint32_t block = warp; block < blocks.count && channel < blocks.channels; block += kWarps) {
    sum += partial[static_cast<size_t>(block) * blocks.channels + channel];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (warp > 0) return 0;
  for (unsigned i = 1; i < kWarps; ++i) sum += sums[i * Lanes + lane];
  return sum;
}

/// The host's side, for tensors of one shape.
class ChannelSums {
 public:
  static constexpr unsigned kLanes = 32;  ///< of the second kernel

  explicit ChannelSums(const Shape& shape) : channels_(static_cast<uint32_t>(shape.c)) {
    // Few pixels a block where there are few, for the sake of more blocks; no more blocks than fill
    // a large GPU, for the second kernel has to read what they leave.
    constexpr uint32_t kFewestPixels = 32, kMostBlocks = 512;
    pixels_ = items_of({shape.n, shape.h, shape.w, 1}, 1).count;
    size_ = std::max(kFewestPixels, (pixels_ + kMostBlocks - 1) / kMostBlocks);
    count_ = (pixels_ + size_ - 1) / size_;
  }

  size_t workspace_bytes() const { return size_t{count_} * channels_ * sizeof(float); }

  /// For threads that take v channels at a time.
  GradientBlocks blocks(int v) const {
    const uint32_t items = channels_ / static_cast<uint32_t>(v);
    return {pixels_, channels_, size_, count_, std::min(std::bit_ceil(items), kLanes)};
  }
  /// Of the first kernel and of the second.
  static dim3 grid(const GradientBlocks& blocks, int v) {
    const uint32_t items = blocks.channels / static_cast<uint32_t>(v);
    return dim3((items + blocks.lanes - 1) / blocks.lanes, blocks.count);
  }
  static dim3 combining_grid(const GradientBlocks& blocks) {
    return dim3((blocks.channels + kLanes - 1) / kLanes);
  }

 private:
  uint32_t pixels_ = 0, channels_;
  uint32_t size_ = 0, count_ = 0;  ///< of blocks of pixels
};

}  // namespace engine
