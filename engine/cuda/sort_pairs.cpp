#include "engine/cuda/sort_pairs.h"

#include "engine/cuda/check.h"
#include "engine/cuda/launch_timer.h"

namespace engine {
namespace {

constexpr const char* kName = "sort_pairs";
constexpr double kPairBytes = sizeof(uint64_t) + sizeof(int32_t);

/// A radix sort of 64 bits reads the keys once to count digits, then passes over all pairs once for
/// each of eight bits.
double moved_bytes(int64_t count) {
  constexpr int kPasses = 8;
  return static_cast<double>(count) * (sizeof(uint64_t) + kPasses * 2 * kPairBytes);
}

}  // namespace

size_t sort_pairs_scratch(const CudaDevice& device, int64_t count) {
  // Where no GPU can be asked: the pairs once more, which is nearly all of it.
  if (device.list()) return static_cast<size_t>(count) * static_cast<size_t>(kPairBytes);
  size_t bytes = 0;
  check(call_sort_pairs(nullptr, bytes, {.count = count}, device.stream()), kName);
  return bytes;
}

void sort_pairs(const CudaDevice& device, const SortedPairs& pairs, void* scratch,
                size_t scratch_bytes) {
  const LaunchList::Launch noted{.kernel = kName, .bytes = moved_bytes(pairs.count)};
  if (LaunchList* list = device.list()) return list->add(noted);
  LaunchTimer* const timer = device.timer();
  if (timer) timer->begin();
  check(call_sort_pairs(scratch, scratch_bytes, pairs, device.stream()), kName);
  if (timer) timer->end(noted);
}

}  // namespace engine
