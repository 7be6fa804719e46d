#include "engine/graph/streams.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace engine {
namespace {

/// The running calls of a phase, numbered anew, and for each the earlier ones that it depends on.
struct Phase {
  std::vector<int> calls;
  std::vector<std::vector<int>> needs;
};

Phase phase_of(std::span<const CallData> calls, int first, int last) {
  Phase phase;
  std::map<int, std::vector<int>> writers;  // of each piece of memory
  for (int call = first; call < last; ++call) {
    const CallData& data = calls[static_cast<size_t>(call)];
    if (!data.runs) continue;
    const int number = static_cast<int>(phase.calls.size());
    std::vector<int>& needs = phase.needs.emplace_back();
    for (const int read : data.reads) {
      const std::vector<int>& all = writers[read];
      needs.insert(needs.end(), all.begin(), all.end());
    }
    for (const int written : data.writes) writers[written].push_back(number);
    phase.calls.push_back(call);
  }
  return phase;
}

/// Independent parts of a run of calls that grows at its end.
class Parts {
 public:
  Parts(const Phase& phase, int first) : phase_(phase), first_(first) {}

  void add_next() {
    const int added = static_cast<int>(parent_.size());
    parent_.push_back(added);
    ++count_;
    for (const int needed :
         phase_.needs[static_cast<size_t>(first_) + static_cast<size_t>(added)]) {
      if (needed < first_) continue;
      const int part = root(needed - first_);
      if (part == added) continue;
      parent_[static_cast<size_t>(part)] = added;
      --count_;
    }
  }
  int count() const { return count_; }

  /// Lane of each call: the largest part goes first, each to the lane with the fewest calls.
  std::vector<int> lanes(int most, std::vector<int>& calls_of_lane) const {
    const auto count = parent_.size();
    std::vector<int> sizes(count, 0), lane_of_root(count, -1), lanes(count);
    for (size_t i = 0; i < count; ++i) ++sizes[static_cast<size_t>(root(static_cast<int>(i)))];
    std::vector<size_t> roots;
    for (size_t i = 0; i < count; ++i) {
      if (sizes[i] > 0) roots.push_back(i);
    }
    std::stable_sort(roots.begin(), roots.end(),
                     [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
    calls_of_lane.assign(std::min(roots.size(), static_cast<size_t>(most)), 0);
    for (const size_t part : roots) {
      const auto least = std::min_element(calls_of_lane.begin(), calls_of_lane.end());
      lane_of_root[part] = static_cast<int>(least - calls_of_lane.begin());
      *least += sizes[part];
    }
    for (size_t i = 0; i < count; ++i) {
      lanes[i] = lane_of_root[static_cast<size_t>(root(static_cast<int>(i)))];
    }
    return lanes;
  }

 private:
  int root(int i) const {
    while (parent_[static_cast<size_t>(i)] != i) i = parent_[static_cast<size_t>(i)];
    return i;
  }

  const Phase& phase_;
  const int first_;
  std::vector<int> parent_;  // the last call of a part is its root
  int count_ = 0;
};

}  // namespace

const Region* Streams::region_of(int call) const {
  const auto found = std::find_if(regions.begin(), regions.end(), [&](const Region& region) {
    return region.first <= call && call <= region.last;
  });
  return found == regions.end() ? nullptr : &*found;
}

bool Streams::concurrent(int a, int b) const {
  const Region* region = region_of(a);
  return region && region == region_of(b) &&
         lane[static_cast<size_t>(a)] != lane[static_cast<size_t>(b)];
}

void find_regions(std::span<const CallData> calls, int first, int last, int most_lanes,
                  Streams& streams) {
  streams.lane.resize(calls.size(), 0);
  const Phase phase = phase_of(calls, first, last);
  const int count = static_cast<int>(phase.calls.size());
  // From the end: what can be gained from call i on, and where the region that begins there ends. A
  // call that waits for no other counts 2, a region takes 1 away: of equals the fewest forks. The
  // longest region comes last and wins a draw: more may overlap there than the counts say.
  std::vector<int> gain(static_cast<size_t>(count) + 1, 0), end(static_cast<size_t>(count), -1);
  std::vector<int> calls_of_lane;
  for (int i = count - 1; i >= 0; --i) {
    const auto at = static_cast<size_t>(i);
    gain[at] = gain[at + 1];
    Parts parts(phase, i);
    for (int j = i; j < count; ++j) {
      parts.add_next();
      if (parts.count() < 2) continue;
      parts.lanes(most_lanes, calls_of_lane);
      const int longest = *std::max_element(calls_of_lane.begin(), calls_of_lane.end());
      const int here = 2 * (j + 1 - i - longest) - 1 + gain[static_cast<size_t>(j) + 1];
      if (here < gain[at]) continue;
      gain[at] = here;
      end[at] = j;
    }
  }
  for (int i = 0; i < count; ++i) {
    const int j = end[static_cast<size_t>(i)];
    if (j < 0) continue;
    Parts parts(phase, i);
    for (int k = i; k <= j; ++k) parts.add_next();
    const std::vector<int> lanes = parts.lanes(most_lanes, calls_of_lane);
    for (int k = i; k <= j; ++k) {
      streams.lane[static_cast<size_t>(phase.calls[static_cast<size_t>(k)])] =
          lanes[static_cast<size_t>(k - i)];
    }
    streams.regions.push_back({.first = phase.calls[static_cast<size_t>(i)],
                               .last = phase.calls[static_cast<size_t>(j)],
                               .lanes = static_cast<int>(calls_of_lane.size())});
    i = j;
  }
}

}  // namespace engine
