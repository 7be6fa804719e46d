#pragma once

// Sorting on the GPU, without the library that does it.

#include <cstddef>
#include <cstdint>

#include "engine/cuda/cuda_device.h"

namespace engine {

/// What is to be sorted, in device memory: from and to are apart.
struct SortedPairs {
  const uint64_t* keys;
  const int32_t* values;
  uint64_t* sorted_keys;
  int32_t* sorted_values;
  int64_t count;  ///< under 2^31
};

/// Bytes of scratch memory that sort_pairs() takes for so many pairs.
size_t sort_pairs_scratch(const CudaDevice& device, int64_t count);

/// Queues a stable sort by rising keys: equal keys keep their order.
void sort_pairs(const CudaDevice& device, const SortedPairs& pairs, void* scratch,
                size_t scratch_bytes);

/// The library's one call: with scratch null it only sets scratch_bytes.
cudaError_t call_sort_pairs(void* scratch, size_t& scratch_bytes, const SortedPairs& pairs,
                            cudaStream_t stream);

}  // namespace engine
