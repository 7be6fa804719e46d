// In CUB's place: the same call, sorted by the standard library. As with CUB, scratch memory is
// full of something else afterwards.

#include "engine/cuda/sort_pairs.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "tests/emulation/emulator.h"

namespace engine {

cudaError_t call_sort_pairs(void* scratch, size_t& scratch_bytes, const SortedPairs& pairs,
                            cudaStream_t stream) {
  const auto count = static_cast<size_t>(pairs.count);
  const size_t needed = 1000 + count;
  if (!scratch) {
    scratch_bytes = needed;
    return emulated::library_setup("sort_pairs scratch");
  }
  if (scratch_bytes < needed) throw std::runtime_error("sort_pairs: too little scratch memory");
  for (const void* memory :
       {static_cast<const void*>(pairs.keys), static_cast<const void*>(pairs.values),
        static_cast<const void*>(pairs.sorted_keys), static_cast<const void*>(pairs.sorted_values),
        static_cast<const void*>(scratch)}) {
    emulated::expect_device_memory("sort_pairs", memory);
  }
  return emulated::library_call(stream, "sort_pairs", [=] {
    std::vector<size_t> places(count);
    std::iota(places.begin(), places.end(), size_t{0});
    std::stable_sort(places.begin(), places.end(),
                     [&](size_t a, size_t b) { return pairs.keys[a] < pairs.keys[b]; });
    for (size_t i = 0; i < count; ++i) {
      pairs.sorted_keys[i] = pairs.keys[places[i]];
      pairs.sorted_values[i] = pairs.values[places[i]];
    }
    std::memset(scratch, 0xff, needed);
  });
}

}  // namespace engine
