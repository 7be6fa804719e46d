#include "engine/sweep/point_queue.h"

#include <algorithm>
#include <charconv>
#include <csignal>

#include "engine/core/error.h"
#include "engine/sweep/point_run.h"

namespace engine {

PointQueue::PointQueue(const Sweep& sweep, const SweepStore& store, Shard shard)
    : sweep_(sweep), store_(store), ended_(sweep.points.size()), not_before_(sweep.points.size()) {
  const auto count = static_cast<int64_t>(sweep.points.size());
  const auto edge = [&](int64_t index) {
    return static_cast<size_t>(static_cast<__int128>(index) * count / shard.count);
  };
  begin_ = first_ = edge(shard.index);
  last_ = edge(shard.index + 1);
}

const std::optional<Record>& PointQueue::ended(size_t point) {
  if (!ended_[point]) ended_[point] = store_.record(sweep_.points[point]);
  return ended_[point];
}

size_t PointQueue::ended_count() const {
  return static_cast<size_t>(std::count_if(ended_.begin() + static_cast<std::ptrdiff_t>(first_),
                                           ended_.begin() + static_cast<std::ptrdiff_t>(last_),
                                           [](const auto& record) { return record.has_value(); }));
}

void PointQueue::put_off(size_t point, std::chrono::milliseconds time) {
  not_before_[point] = Clock::now() + time;
}

PointQueue::Next PointQueue::next(const std::set<size_t>& active) {
  while (begin_ < last_ && ended(begin_)) ++begin_;
  Next found;
  for (size_t i = begin_; i < last_; ++i) {
    Next next = look_at(i, active);
    if (next.kind == Next::Kind::start || next.kind == Next::Kind::end) return next;
    if (next.kind == Next::Kind::wait) found.kind = Next::Kind::wait;
  }
  return found;
}

PointQueue::Next PointQueue::look_at(size_t point, const std::set<size_t>& active) {
  if (active.contains(point)) return {Next::Kind::wait};
  if (ended(point)) return {};
  if (Clock::now() < not_before_[point]) return {Next::Kind::wait};
  const auto after = sweep_.points[point].after;
  if (after && !ended(*after)) {  // also one of another shard
    Next before = look_at(*after, active);
    if (before.kind == Next::Kind::none) before.kind = Next::Kind::wait;
    return before;
  }
  if (after && ended(*after)->state != Record::State::done) {
    Next next{Next::Kind::end, point, store_.claim(sweep_.points[point])};
    if (!next.claim) return {Next::Kind::wait};
    const Record& before = *ended(*after);
    next.record = begun_record(sweep_, store_, sweep_.points[point]);
    next.record.state = Record::State::skipped;
    next.record.reason =
        fmt::format("\"{}\", seed {}, which it starts from, {}", before.configuration, before.seed,
                    before.state == Record::State::failed ? "failed" : "was skipped");
    return next;
  }
  return take(point);
}

PointQueue::Next PointQueue::take(size_t point) {
  const auto state = store_.claim_state(sweep_.points[point]);
  // Another process works on it, or is not known to be dead yet: a node that has failed is taken
  // for alive for a while, and its point must not be left undone.
  if (state && state->alive) return {Next::Kind::wait};
  Next next{Next::Kind::start, point, store_.claim(sweep_.points[point])};
  if (!next.claim) return {Next::Kind::wait};  // somebody was faster: look again
  if (!state || state->deaths < sweep_.file.attempts) return next;
  next.kind = Next::Kind::end;
  next.record = begun_record(sweep_, store_, sweep_.points[point]);
  next.record.state = Record::State::failed;
  next.record.attempts = state->attempt;
  next.record.exit_code = -SIGKILL;
  next.record.reason =
      fmt::format("its process died {} times without getting further", state->deaths);
  return next;
}

Shard parse_shard(const std::string& text) {
  Shard shard;
  const size_t slash = text.find('/');
  const auto number = [&](std::string_view digits, int64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (slash == std::string::npos || !number(std::string_view(text).substr(0, slash), shard.index) ||
      !number(std::string_view(text).substr(slash + 1), shard.count) || shard.index < 0 ||
      shard.count < 1 || shard.index >= shard.count)
    fail(ExitCode::usage,
         "--shard {}: expected I/N with I from 0 to N - 1, as 0/8 ... 7/8 for eight shards", text);
  return shard;
}

}  // namespace engine
