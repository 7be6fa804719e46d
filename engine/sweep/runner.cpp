#include "engine/sweep/runner.h"

#include <sys/stat.h>

#include <algorithm>
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
        queue_(sweep, store, options.shard) {}

  SweepOutcome run(const StopSignals& signals) {
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
      if (active() > 0) {
        show_progress();
      } else {
        progress_.doing("waiting for points that others work on");
      }
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
    for (size_t i = queue_.first(); i < queue_.last(); ++i) {
      const auto record = store_.record(point(i));
      const auto claim = store_.claim_state(point(i));
      if (record && record->state != Record::State::done && !(claim && claim->alive))
        store_.forget(point(i));
    }
  }

  /// Gives idle slots work. True: a point waits for something.
  bool fill_slots() {
    for (;;) {
      const auto slot =
          std::find_if(slots_.begin(), slots_.end(), [](const auto& s) { return !s.has_value(); });
      if (slot == slots_.end() || no_more_) return false;
      std::set<size_t> active;
      for (const auto& each : slots_)
        if (each) active.insert(each->point);
      PointQueue::Next next = queue_.next(active);
      if (next.kind == PointQueue::Next::Kind::wait) return true;
      if (next.kind == PointQueue::Next::Kind::none) return false;
      if (next.kind == PointQueue::Next::Kind::start) {
        start(next.point, *next.claim, static_cast<size_t>(slot - slots_.begin()));
      } else {
        end_badly(next.point, next.record);
      }
    }
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
      if (busy) queue_.put_off(index, kBusyPause);
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
    end_point(index, record);
    progress_.line(fmt::format("{}: {:.2f} % in {} ({})", label(index), 100 * record.test_accuracy,
                               short_seconds(record.seconds), count_text()));
  }

  void fail_point(size_t index, Record record, std::string reason) {
    record.state = Record::State::failed;
    record.reason = std::move(reason);
    end_badly(index, record);
  }

  /// Failed or skipped: the record says why.
  void end_badly(size_t index, const Record& record) {
    end_point(index, record);
    const bool skipped = record.state == Record::State::skipped;
    progress_.warning(
        fmt::format("{}: {}: {}", label(index), skipped ? "skipped" : "failed", record.reason));
    if (!skipped) progress_.warning("its log: " + store_ / record.log);
    if (sweep_.file.on_failure == SweepFile::OnFailure::stop && !no_more_) {
      no_more_ = true;
      progress_.warning("no more points are started (on_failure is \"stop\")");
    }
  }

  void end_point(size_t index, const Record& record) {
    store_.save(record);
    queue_.set_ended(index, record);
  }

  std::string label(size_t index) const {
    return fmt::format("{}, seed {}", sweep_.configurations[point(index).configuration].name,
                       point(index).seed);
  }

  size_t points() const { return queue_.last() - queue_.first(); }
  std::string count_text() const { return fmt::format("{} of {}", queue_.ended_count(), points()); }
  void show_progress() { progress_.count("points", queue_.ended_count(), points()); }

  SweepOutcome outcome(bool signalled) {
    SweepOutcome result{.stopped = signalled};
    for (size_t i = queue_.first(); i < queue_.last(); ++i) {
      if (const auto& record = queue_.ended(i)) {
        ++(record->state == Record::State::done     ? result.done
           : record->state == Record::State::failed ? result.failed
                                                    : result.skipped);
        continue;
      }
      const auto claim = store_.claim_state(point(i));
      ++(claim && claim->alive ? result.elsewhere : result.left);
    }
    // Points of others count too: whoever puts a stopped shard back into a queue must not leave
    // behind what a dead node still seems to hold.
    result.stopped = result.stopped && result.left + result.elsewhere > 0;
    return result;
  }

  const Sweep& sweep_;
  const SweepStore& store_;
  FileSystem& files_;
  const SweepRunOptions& options_;
  Progress& progress_;
  std::vector<std::optional<Active>> slots_;
  PointQueue queue_;
  std::vector<std::string> variants_;
  bool stopping_ = false, no_more_ = false;
  Clock::time_point last_beat_ = Clock::now();
};

}  // namespace

SweepOutcome run_sweep(const Sweep& sweep, const SweepStore& store, FileSystem& files,
                       const SweepRunOptions& options, const StopSignals& signals,
                       Progress& progress) {
  store.begin(sweep);
  progress.log_to(files, store / "log.txt");
  return Runner(sweep, store, files, options, progress).run(signals);
}

}  // namespace engine
