#pragma once

// The pass side_streams: which calls of a step may run side by side, and in which lane each does.
// Knows what calls read and write, no ops and no device.

#include <span>
#include <vector>

namespace engine {

/// What a call touches: numbers of pieces of memory, any.
struct CallData {
  bool runs = true;  ///< false: takes no time, keeps nobody waiting
  std::vector<int> reads, writes;
};

/// Consecutive calls between a fork and a join, both ends included. Calls of different lanes read
/// nothing that the other writes; calls of one lane run in their order.
struct Region {
  int first = 0, last = 0;
  int lanes = 2;
};

struct Streams {
  std::vector<Region> regions;  ///< in their order; they do not overlap
  std::vector<int> lane;        ///< of each call; outside of regions 0

  /// The region that a call lies in, or null.
  const Region* region_of(int call) const;
  /// Whether two calls may run at the same time.
  bool concurrent(int a, int b) const;
};

/// Adds the regions among calls first to last - 1. A call depends on those before it that write
/// what it reads. Regions are chosen so that as many calls as possible run beside others (in a
/// region all but those of its longest lane), and then so that there are few of them.
void find_regions(std::span<const CallData> calls, int first, int last, int most_lanes,
                  Streams& streams);

}  // namespace engine
