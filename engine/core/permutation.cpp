#include "engine/core/permutation.h"

#include <algorithm>

namespace engine {

std::vector<int32_t> permutation(int64_t count, RandomKey random, uint32_t epoch) {
  struct Item {
    uint64_t key;
    int32_t index;
  };
  std::vector<Item> items(count);
  for (int64_t i = 0; i < count; ++i) {
    items[i] = {permutation_key(random, static_cast<uint32_t>(i), epoch), static_cast<int32_t>(i)};
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.key != b.key ? a.key < b.key : a.index < b.index;
  });
  std::vector<int32_t> order(count);
  for (int64_t i = 0; i < count; ++i) order[i] = items[i].index;
  return order;
}

}  // namespace engine
