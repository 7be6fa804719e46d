// Sorting by CUB. The one place that includes it.

#include <cub/device/device_radix_sort.cuh>

#include "engine/cuda/sort_pairs.h"

namespace engine {

cudaError_t call_sort_pairs(void* scratch, size_t& scratch_bytes, const SortedPairs& pairs,
                            cudaStream_t stream) {
  constexpr int kFirstBit = 0, kEndBit = 64;
  return cub::DeviceRadixSort::SortPairs(
      scratch, scratch_bytes, pairs.keys, pairs.sorted_keys, pairs.values, pairs.sorted_values,
      static_cast<int32_t>(pairs.count), kFirstBit, kEndBit, stream);
}

}  // namespace engine
