#include "engine/graph/plan.h"

#include <gtest/gtest.h>

#include <random>

namespace engine {
namespace {

/// By brute force: no two buffers that are alive together share a byte, and all is aligned.
void check(const std::vector<BufferRequest>& requests, size_t alignment) {
  const ArenaLayout layout = lay_out(requests, alignment);
  ASSERT_EQ(layout.offsets.size(), requests.size());
  for (size_t a = 0; a < requests.size(); ++a) {
    EXPECT_EQ(layout.offsets[a] % alignment, 0u);
    EXPECT_LE(layout.offsets[a] + requests[a].bytes, layout.bytes);
    for (size_t b = 0; b < a; ++b) {
      const bool alive =
          requests[a].first <= requests[b].last && requests[b].first <= requests[a].last;
      if (!alive || requests[a].bytes == 0 || requests[b].bytes == 0) continue;
      EXPECT_TRUE(layout.offsets[a] + requests[a].bytes <= layout.offsets[b] ||
                  layout.offsets[b] + requests[b].bytes <= layout.offsets[a])
          << a << " and " << b;
    }
  }
}

/// What is alive at the fullest moment: no layout can do with less.
size_t least(const std::vector<BufferRequest>& requests, size_t alignment) {
  size_t most = 0;
  for (int time = 0; time < 300; ++time) {
    size_t sum = 0;
    for (const BufferRequest& each : requests) {
      if (each.first <= time && time <= each.last) {
        sum += (each.bytes + alignment - 1) / alignment * alignment;
      }
    }
    most = std::max(most, sum);
  }
  return most;
}

TEST(Planner, NothingThatLivesTogetherOverlaps) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<BufferRequest> requests(random() % 60);
    for (BufferRequest& each : requests) {
      each.bytes = random() % 8 ? random() % 5000 : 0;
      each.first = static_cast<int>(random() % 100);
      each.last = each.first + static_cast<int>(random() % 40);
    }
    check(requests, trial % 2 ? 64 : 256);
  }
}

/// Chains as networks make them: activations live until their backward, gradients for two calls.
TEST(Planner, ComesCloseToTheLeastForChains) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 100; ++trial) {
    const int n = 2 + static_cast<int>(random() % 40);
    std::vector<BufferRequest> requests;
    for (int i = 0; i < n; ++i) {
      const size_t bytes = (1 + random() % 64) * 1024;
      requests.push_back({.bytes = bytes, .first = i, .last = 2 * n - 2 - i});
      requests.push_back({.bytes = bytes, .first = 2 * n - 2 - i, .last = 2 * n - 1 - i});
    }
    check(requests, 64);
    EXPECT_LE(lay_out(requests, 64).bytes, least(requests, 64) * 5 / 4);
  }
}

TEST(Planner, ReusesMemoryOfTheDead) {
  const ArenaLayout layout = lay_out({{1000, 0, 1}, {1000, 2, 3}, {500, 1, 2}}, 64);
  EXPECT_EQ(layout.offsets[0], layout.offsets[1]);
  EXPECT_EQ(layout.bytes, 1024u + 512u);
}

TEST(Planner, IsDeterministic) {
  std::vector<BufferRequest> requests;
  for (int i = 0; i < 50; ++i) requests.push_back({.bytes = 64, .first = i, .last = i + 7});
  EXPECT_EQ(lay_out(requests, 64).offsets, lay_out(requests, 64).offsets);
  EXPECT_EQ(lay_out(requests, 64).bytes, 64u * 8);
}

TEST(Planner, NothingToPlace) {
  EXPECT_EQ(lay_out({}, 64).bytes, 0u);
  EXPECT_EQ(lay_out({{0, 0, 1}}, 64).bytes, 0u);
}

}  // namespace
}  // namespace engine
