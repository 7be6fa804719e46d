#pragma once

// What kernels use on the device's side.

#include <cuda_runtime.h>
#ifdef __CUDA_ARCH__
#include <cuda_bf16.h>
#endif

#include <cstdint>

#include "engine/core/bf16.h"

namespace engine {

/// for (uint32_t i = first_item(); i < count; i += item_stride()): each item once, whatever the
/// grid.
__device__ __forceinline__ uint32_t first_item() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ uint32_t item_stride() {
  return gridDim.x * blockDim.x;
}

/// V floats in registers.
template <int V>
struct Floats {
  float at[V];
};

/// V numbers that move as one access of at most 16 bytes.
template <class T, int V>
struct alignas(sizeof(T) * V) Packed {
  T at[V];
};

ENGINE_HD float to_float(float value) {
  return value;
}

/// V numbers from memory, as floats. Their address is a multiple of their size.
template <int V, class T>
__device__ __forceinline__ Floats<V> load(const T* from) {
  const auto packed = *reinterpret_cast<const Packed<T, V>*>(from);
  Floats<V> values;
  for (int v = 0; v < V; ++v) values.at[v] = to_float(packed.at[v]);
  return values;
}

ENGINE_HD void assign(float& to, float value) {
  to = value;
}
ENGINE_HD void assign(Bf16& to, float value) {
#ifdef __CUDA_ARCH__
  to.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));  // to_bf16() in one instruction
#else
  to = to_bf16(value);
#endif
}

/// Rounds to T.
template <int V, class T>
__device__ __forceinline__ void store(T* to, const Floats<V>& values) {
  Packed<T, V> packed;
  for (int v = 0; v < V; ++v) assign(packed.at[v], values.at[v]);
  *reinterpret_cast<Packed<T, V>*>(to) = packed;
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
