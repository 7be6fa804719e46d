#include "engine/graph/plan.h"

#include <algorithm>
#include <numeric>

namespace engine {

ArenaLayout lay_out(const std::vector<BufferRequest>& requests, size_t alignment) {
  std::vector<size_t> by_size(requests.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return requests[a].bytes > requests[b].bytes; });
  const auto rounded = [&](size_t index) {
    return (requests[index].bytes + alignment - 1) & ~(alignment - 1);
  };
  const auto together = [&](size_t a, size_t b) {
    return requests[a].first <= requests[b].last && requests[b].first <= requests[a].last;
  };

  ArenaLayout layout{.offsets = std::vector<size_t>(requests.size(), 0)};
  std::vector<size_t> placed;  // in the order of their offsets
  for (const size_t index : by_size) {
    const size_t bytes = rounded(index);
    if (bytes == 0) continue;
    size_t offset = 0;  // the end of what is in the way so far
    for (const size_t other : placed) {
      if (!together(index, other)) continue;
      if (layout.offsets[other] >= offset + bytes) break;
      offset = std::max(offset, layout.offsets[other] + rounded(other));
    }
    layout.offsets[index] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    const auto after = [&](size_t value, size_t other) { return value < layout.offsets[other]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset, after), index);
  }
  return layout;
}

}  // namespace engine
