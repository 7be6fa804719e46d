#include "engine/sweep/runner.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/run/signals.h"
#include "engine/sweep/child_process.h"
#include "engine/sweep/point_run.h"

namespace engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLookMilliseconds = 500;  // between looks at the clock, while nothing ends
constexpr auto kBusyPause = std::chrono::milliseconds(500);
constexpr auto kStopGrace = std::chrono::seconds(10);  // from SIGTERM to SIGKILL, past a limit

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

uint64_t size_of(const std::string& path) {
  struct stat state {};
  return ::stat(path.c_str(), &state) == 0 ? static_cast<uint64_t>(state.st_size) : 0;
}

/// A point under way in a slot.
struct Active {
  size_t point = 0;
  Claim claim;
  ChildProcess child;
  bool evaluating = false;  ///< the run is done; its row of the matrix is being made
  Clock::time_point started;
  uint64_t log_begin = 0;
  double run_seconds = 0;
  bool over_limit = false;
  bool lost = false;  ///< somebody took this process for dead
};

class Runner {
 public:
  Runner(const Sweep& sweep, const SweepStore& store, FileSystem& files,
         const SweepRunOptions& options, Progress& progress)
      : sweep_(sweep),
        store_(store),
        files_(files),
        options_(options),
        progress_(progress),
        slots_(options.slots.size()),
        ended_(sweep.points.size()),
        not_before_(sweep.points.size()) {
    const auto count = static_cast<int64_t>(sweep.points.size());
    const auto edge = [&](int64_t index) {
      return static_cast<size_t>(static_cast<__int128>(index) * count / options.shard.count);
    };
    begin_ = first_ = edge(options.shard.index);
    last_ = edge(options.shard.index + 1);
  }

  SweepOutcome run() {
    const StopSignals signals;
    if (sweep_.file.matrix) variants_ = write_variants(sweep_, store_, files_);
    if (options_.retry_failed) forget_failed();
    for (;;) {
      if (signals.requested() && !stopping_) {
        stopping_ = true;
        progress_.line(fmt::format("{}: stopping with checkpoints", signals.name()));
        for (auto& slot : slots_)
          if (slot) slot->child.signal(SIGTERM);
      }
      const bool waiting = !stopping_ && !no_more_ && fill_slots();
      if (active() == 0 && !waiting) break;
      show_progress();
      wait();
      look();
    }
    progress_.finish();
    return outcome(signals.requested());
  }

 private:
  const SweepPoint& point(size_t index) const { return sweep_.points[index]; }

  size_t active() const {
    return static_cast<size_t>(std::count_if(slots_.begin(), slots_.end(),
                                             [](const auto& slot) { return slot.has_value(); }));
  }

  void forget_failed() {
    for (size_t i = first_; i < last_; ++i) {
      const auto record = store_.record(point(i));
      const auto claim = store_.claim_state(point(i));
      if (record && record->state != Record::State::done && !(claim && claim->alive))
        store_.forget(point(i));
    }
  }

  /// How a point ended, as far as is known; records do not change.
  const std::optional<Record>& ended(size_t index) {
    if (!ended_[index]) ended_[index] = store_.record(point(index));
    return ended_[index];
  }

  bool is_active(size_t index) const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const auto& slot) { return slot && slot->point == index; });
  }

  /// Gives idle slots work. True: there is a point that waits for something.
  bool fill_slots() {
    bool waiting = false;
    while (begin_ < last_ && ended(begin_)) ++begin_;
    for (size_t i = begin_; i < last_ && !no_more_; ++i) {
      const auto slot =
          std::find_if(slots_.begin(), slots_.end(), [](const auto& s) { return !s.has_value(); });
      if (slot == slots_.end()) return true;
      waiting |= try_start(i, static_cast<size_t>(slot - slots_.begin()));
    }
    return waiting;
  }

  /// Starts a point or, where it needs one before it, that. True: it waits, or was started.
  bool try_start(size_t index, size_t slot) {
    if (ended(index) || is_active(index)) return false;
    if (Clock::now() < not_before_[index]) return true;
    if (const auto after = point(index).after) {
      const auto& before = ended(*after);
      if (!before) {
        try_start(*after, slot);
        return true;
      }
      if (before->state != Record::State::done) {
        skip(index, *before);
        return false;
      }
    }
    const auto state = store_.claim_state(point(index));
    if (state && state->alive) return needed_by_mine(index);
    const auto claim = store_.claim(point(index));
    if (!claim) return true;  // somebody was faster: look again
    if (state && state->deaths >= sweep_.file.attempts) {
      Record record = begun_record(sweep_, store_, point(index));
      record.attempts = state->attempt;
      record.exit_code = -SIGKILL;
      fail_point(index, std::move(record),
                 fmt::format("its process died {} times without getting further", state->deaths));
      return false;
    }
    start(index, *claim, slot);
    return true;
  }

  /// A point that another process works on: this one only waits when a point of its own needs it.
  bool needed_by_mine(size_t index) const {
    for (size_t i = first_; i < last_; ++i) {
      for (auto after = point(i).after; after; after = point(*after).after)
        if (*after == index && !ended_[i]) return true;
    }
    return false;
  }

  ChildOptions child_options(const Slot& slot, const std::vector<std::string>& words) const {
    ChildOptions child{.environment = slot.environment, .cores = slot.cores};
    child.arguments = {options_.program};
    for (const auto* more : std::initializer_list<const std::vector<std::string>*>{
             &words, &options_.words, &slot.words})
      child.arguments.insert(child.arguments.end(), more->begin(), more->end());
    return child;
  }

  void start(size_t index, const Claim& claim, size_t slot) {
    const std::string log = store_ / store_.log_file(point(index));
    ChildOptions child =
        child_options(options_.slots[slot], run_words(sweep_, store_, point(index)));
    child.err = log;
    slots_[slot].emplace(Active{.point = index,
                                .claim = claim,
                                .child = ChildProcess(child),
                                .started = Clock::now(),
                                .log_begin = size_of(log)});
    store_.started(claim, slots_[slot]->child.id());
  }

  std::string matrix_output(const Active& active) const {
    return store_ /
           fmt::format("{}/{}.matrix.json", sweep_files::kLogs, point(active.point).folder);
  }

  void start_evaluation(size_t slot) {
    Active& active = *slots_[slot];
    active.run_seconds = seconds_since(active.started);
    const std::string out = matrix_output(active);
    files_.unlink(out);
    ChildOptions child =
        child_options(options_.slots[slot], evaluate_words(store_, point(active.point), variants_));
    child.out = out;
    child.err = store_ / store_.log_file(point(active.point));
    active.child = ChildProcess(child);
    active.evaluating = true;
    active.started = Clock::now();
    store_.started(active.claim, active.child.id());
  }

  void wait() {
    std::vector<ChildProcess*> children;
    for (auto& slot : slots_)
      if (slot) children.push_back(&slot->child);
    ChildProcess::wait_for_any(children, kLookMilliseconds);
  }

  /// At what runs: has it ended, is it over its limit, is its heartbeat due?
  void look() {
    const bool beat = seconds_since(last_beat_) >= kHeartbeatSeconds;
    if (beat) last_beat_ = Clock::now();
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i]) continue;
      Active& active = *slots_[i];
      if (const auto end = active.child.ended()) {
        finish(i, *end);
        continue;
      }
      if (beat && !active.lost && !store_.touch(active.claim)) {
        active.lost = true;  // it is another's now
        active.child.signal(SIGTERM);
      }
      const double limit = sweep_.file.time_limit;
      if (limit == 0 || active.evaluating) continue;
      const double over = seconds_since(active.started) - limit;
      if (over >= 0 && !active.over_limit) {
        active.over_limit = true;
        active.child.signal(SIGTERM);
      }
      if (over >= std::chrono::duration<double>(kStopGrace).count()) active.child.signal(SIGKILL);
    }
  }

  void finish(size_t slot, ChildEnd end) {
    Active& active = *slots_[slot];
    const size_t index = active.point;
    Record record = begun_record(sweep_, store_, point(index));
    record.attempts = active.claim.attempt();
    record.seconds = active.evaluating ? active.run_seconds : seconds_since(active.started);
    record.exit_code = end.signal ? -end.signal : end.code;
    const bool evaluating = active.evaluating;
    const bool busy = !end.signal && end.code == static_cast<int>(ExitCode::busy);
    const bool stopped = !end.signal && end.code == static_cast<int>(ExitCode::stopped);
    if (active.lost) {
      slots_[slot].reset();
    } else if (end.ok() && !evaluating && sweep_.file.matrix && !stopping_) {
      start_evaluation(slot);
    } else if (end.ok() && (evaluating || !sweep_.file.matrix)) {
      const Active done = std::move(active);
      slots_[slot].reset();
      succeed(index, std::move(record), done);
    } else if (active.over_limit && !stopping_) {
      slots_[slot].reset();
      fail_point(index, std::move(record),
                 fmt::format("ran longer than time_limit ({:g} s)", sweep_.file.time_limit));
    } else if (stopping_ || stopped || busy || (end.ok() && !evaluating)) {
      store_.release(active.claim);
      if (busy) not_before_[index] = Clock::now() + kBusyPause;
      slots_[slot].reset();
    } else if (end.signal) {
      store_.died(active.claim);
      progress_.warning(fmt::format("{}: ended by signal {} ({}), attempt {}", label(index),
                                    end.signal, ::strsignal(end.signal), active.claim.attempt()));
      slots_[slot].reset();
    } else {
      const std::string reason =
          end_of_log(store_ / store_.log_file(point(index)), active.log_begin);
      slots_[slot].reset();
      fail_point(index, std::move(record),
                 reason.empty() ? fmt::format("ended with exit code {}", end.code) : reason);
    }
  }

  void succeed(size_t index, Record record, const Active& active) {
    try {
      add_results(record, store_, point(index));
      if (active.evaluating) {
        const std::string out = matrix_output(active);
        add_matrix(record, sweep_, variants_, read_text(out));
        files_.unlink(out);
      }
    } catch (const Error& error) {
      record.exit_code = static_cast<int>(error.code());
      return fail_point(index, std::move(record), error.what());
    }
    const std::string seconds = short_seconds(record.seconds);
    end_point(index, std::move(record));
    progress_.line(fmt::format("{}: {:.2f} % in {} ({})", label(index),
                               100 * ended_[index]->test_accuracy, seconds, count_text()));
  }

  void fail_point(size_t index, Record record, std::string reason) {
    record.state = Record::State::failed;
    record.reason = std::move(reason);
    end_point(index, std::move(record));
    progress_.warning(fmt::format("{}: failed: {}\nits log: {}", label(index),
                                  ended_[index]->reason, store_ / ended_[index]->log));
    if (sweep_.file.on_failure == SweepFile::OnFailure::stop && !no_more_) {
      no_more_ = true;
      progress_.warning("no more points are started (on_failure is \"stop\")");
    }
  }

  void skip(size_t index, const Record& before) {
    const auto claim = store_.claim(point(index));
    if (!claim) return;
    Record record = begun_record(sweep_, store_, point(index));
    record.state = Record::State::skipped;
    record.reason =
        fmt::format("\"{}\", seed {}, which it starts from, {}", before.configuration, before.seed,
                    before.state == Record::State::failed ? "failed" : "was skipped");
    end_point(index, std::move(record));
    progress_.warning(fmt::format("{}: skipped: {}", label(index), ended_[index]->reason));
  }

  void end_point(size_t index, Record record) {
    store_.save(record);
    ended_[index] = std::move(record);
  }

  std::string label(size_t index) const {
    return fmt::format("{}, seed {}", sweep_.configurations[point(index).configuration].name,
                       point(index).seed);
  }

  size_t ended_count() const {
    return static_cast<size_t>(
        std::count_if(ended_.begin() + static_cast<std::ptrdiff_t>(first_),
                      ended_.begin() + static_cast<std::ptrdiff_t>(last_),
                      [](const auto& record) { return record.has_value(); }));
  }

  std::string count_text() const { return fmt::format("{} of {}", ended_count(), last_ - first_); }

  void show_progress() { progress_.count("points", ended_count(), last_ - first_); }

  SweepOutcome outcome(bool signalled) {
    SweepOutcome result{.stopped = signalled};
    for (size_t i = first_; i < last_; ++i) {
      if (const auto& record = ended(i)) {
        ++(record->state == Record::State::done     ? result.done
           : record->state == Record::State::failed ? result.failed
                                                    : result.skipped);
        continue;
      }
      const auto claim = store_.claim_state(point(i));
      ++(claim && claim->alive ? result.elsewhere : result.left);
    }
    result.stopped = result.stopped && result.left > 0;
    return result;
  }

  const Sweep& sweep_;
  const SweepStore& store_;
  FileSystem& files_;
  const SweepRunOptions& options_;
  Progress& progress_;
  std::vector<std::optional<Active>> slots_;
  std::vector<std::optional<Record>> ended_;
  std::vector<Clock::time_point> not_before_;
  std::vector<std::string> variants_;
  size_t first_ = 0, last_ = 0;
  size_t begin_ = 0;  ///< all of the shard before it have ended
  bool stopping_ = false, no_more_ = false;
  Clock::time_point last_beat_ = Clock::now();
};

}  // namespace

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

SweepOutcome run_sweep(const Sweep& sweep, const SweepStore& store, FileSystem& files,
                       const SweepRunOptions& options, Progress& progress) {
  store.begin(sweep);
  progress.log_to(files, store / "log.txt");
  return Runner(sweep, store, files, options, progress).run();
}

}  // namespace engine
