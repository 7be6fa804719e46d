#pragma once

// What kernels use on the device's side.

#include <cuda_runtime.h>

#include <cstdint>

namespace engine {

/// for (uint32_t i = first_item(); i < count; i += item_stride()): each item once, whatever the
/// grid.
__device__ __forceinline__ uint32_t first_item() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ uint32_t item_stride() {
  return gridDim.x * blockDim.x;
}

/// V floats that move as one access of 4 V bytes: V is 1, 2 or 4.
template <int V>
struct alignas(4 * V) Floats {
  float at[V];
};

template <int V>
__device__ __forceinline__ Floats<V> load(const float* from) {
  return *reinterpret_cast<const Floats<V>*>(from);
}
template <int V>
__device__ __forceinline__ void store(float* to, const Floats<V>& values) {
  *reinterpret_cast<Floats<V>*>(to) = values;
}

/// Sum over the 32 lanes of a warp, the same bits in every lane.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int other = 16; other > 0; other /= 2) value += __shfl_xor_sync(0xffffffffu, value, other);
  return value;
}

/// Sum over a block of Threads threads (a multiple of 32), in a fixed order; valid in thread 0.
/// All threads of the block must come here.
template <int Threads, class T>
__device__ T block_sum(T value) {
  __shared__ T warps[Threads / 32];
  value = warp_sum(value);
  __syncthreads();  // who still reads an earlier call's sums
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < Threads / 32; ++i) value += warps[i];
  }
  return value;
}

}  // namespace engine
