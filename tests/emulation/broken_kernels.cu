// Kernels with a mistake each, for the tests of the emulation itself.

#include "tests/emulation/broken_kernels.h"

#include "engine/cuda/launch.h"

namespace engine::test {
namespace {

constexpr unsigned kThreads = 64;

/// Each thread takes its neighbour's value: right with the barrier, a race without.
template <bool Barrier>
__global__ void rotate(const float* in, float* out) {
  __shared__ float tile[kThreads];
  tile[threadIdx.x] = in[threadIdx.x];
  if constexpr (Barrier) __syncthreads();
  out[threadIdx.x] = tile[(threadIdx.x + 1) % kThreads];
}

__global__ void store_behind_the_end(float* out) {
  out[threadIdx.x] = 1;
  if (threadIdx.x == kThreads - 1) out[kThreads] = 1;
}

/// Through a pointer, of whose bounds the compiler knows nothing.
__attribute__((noinline)) __device__ void set_to_one(float* to) {
  *to = 1;
}

__global__ void store_behind_shared_memory(float* out) {
  __shared__ float tile[kThreads];
  set_to_one(tile + 1 + threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

__global__ void read_behind_shared_memory(float* out) {
  __shared__ float tile[kThreads];
  tile[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x + 1];
}

__global__ void read_between_vectors(const float* in, float* out) {
  const float4 four = *reinterpret_cast<const float4*>(in + 1);
  out[threadIdx.x] = four.x;
}

__global__ void overflow(float* out) {
  const int far = 1 << 30;
  out[threadIdx.x] = static_cast<float>(far + far * static_cast<int>(threadIdx.x % 2));
}

__global__ void leave_one_out(float* out) {
  if (threadIdx.x != 5) out[threadIdx.x] = 1;
}

__global__ void read_what_nobody_wrote(float* out) {
  __shared__ float tile[kThreads];
  if (threadIdx.x != 7) tile[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

__global__ void wait_in_a_branch(float* out) {
  if (threadIdx.x < 16) __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void wait_at_two_barriers(float* out) {
  if (threadIdx.x % 2) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

__global__ void shuffle_with_lanes_that_left(float* out) {
  float value = static_cast<float>(threadIdx.x);
  if (threadIdx.x % 32 != 3) value += __shfl_xor_sync(0xffffffffu, value, 1);
  out[threadIdx.x] = value;
}

/// Nothing is wrong with it, but that no GPU has exceptions.
__global__ void throw_and_catch(const float* in, float* out) {
  float value = in[threadIdx.x];
  try {
    __syncthreads();
    throw value;
  } catch (const float& thrown) {
    value += thrown;
  }
  __syncthreads();
  out[threadIdx.x] = value;
}

}  // namespace

void run_kernel(const CudaDevice& device, const std::string& name, const float* in, float* out) {
  if (name == "rotate") launch(device, "rotate", 1, kThreads, rotate<true>, in, out);
  if (name == "missing barrier") launch(device, "rotate", 1, kThreads, rotate<false>, in, out);
  if (name == "out of bounds") launch(device, "out", 1, kThreads, store_behind_the_end, out);
  if (name == "out of shared") launch(device, "out", 1, kThreads, store_behind_shared_memory, out);
  if (name == "out of array") launch(device, "out", 1, kThreads, read_behind_shared_memory, out);
  if (name == "misaligned") launch(device, "apart", 1, kThreads, read_between_vectors, in, out);
  if (name == "overflow") launch(device, "overflow", 1, kThreads, overflow, out);
  if (name == "unwritten") launch(device, "unwritten", 1, kThreads, leave_one_out, out);
  if (name == "uninitialised") launch(device, "shared", 1, kThreads, read_what_nobody_wrote, out);
  if (name == "branch") launch(device, "branch", 1, kThreads, wait_in_a_branch, out);
  if (name == "two barriers") launch(device, "two", 1, kThreads, wait_at_two_barriers, out);
  if (name == "throws") launch(device, "throws", 1, kThreads, throw_and_catch, in, out);
  if (name == "lanes") launch(device, "lanes", 1, kThreads, shuffle_with_lanes_that_left, out);
}

}  // namespace engine::test
