#pragma once

// Which point of a shard is next: what needs another waits for it, or has it done first.

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "engine/sweep/store.h"

namespace engine {

/// A part of the points: those with an index in [index * points / count, (index + 1) * points /
/// count).
struct Shard {
  int64_t index = 0, count = 1;
};
/// "0/8". Throws Error (usage).
Shard parse_shard(const std::string& text);

class PointQueue {
 public:
  PointQueue(const Sweep& sweep, const SweepStore& store, Shard shard);

  struct Next {
    enum class Kind {
      start,  ///< the point is claimed: run it
      end,    ///< the point is claimed, but must not run: save the record
      wait,   ///< nothing can start now, but later
      none    ///< nothing is left to start
    };
    Kind kind = Kind::none;
    size_t point = 0;
    std::optional<Claim> claim;  ///< start, end
    Record record;               ///< end
  };
  /// active: points that this process works on.
  Next next(const std::set<size_t>& active);

  /// Not before so long from now: somebody is still in its run folder.
  void put_off(size_t point, std::chrono::milliseconds time);
  void set_ended(size_t point, Record record) { ended_[point] = std::move(record); }
  /// How a point ended, as far as is known; once there, a record does not change.
  const std::optional<Record>& ended(size_t point);

  /// Of the shard.
  size_t first() const { return first_; }
  size_t last() const { return last_; }  ///< behind it
  size_t ended_count() const;            ///< as far as is known

 private:
  using Clock = std::chrono::steady_clock;
  Next look_at(size_t point, const std::set<size_t>& active);
  Next take(size_t point);

  const Sweep& sweep_;
  const SweepStore& store_;
  std::vector<std::optional<Record>> ended_;
  std::vector<Clock::time_point> not_before_;
  size_t first_ = 0, last_ = 0;
  size_t begin_ = 0;  ///< all of the shard before it have ended
};

}  // namespace engine
