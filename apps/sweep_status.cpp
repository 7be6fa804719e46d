// engine sweep status: what is done, running and failed.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "apps/sweep_session.h"
#include "apps/table.h"
#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/run/run_folder.h"
#include "engine/run/signals.h"
#include "engine/sweep/slurm.h"

namespace engine {
namespace {

struct StatusArguments : SweepArguments {
  bool watch = false;
};

/// A point, as status shows it.
struct PointStatus {
  const SweepPoint* point = nullptr;
  std::string_view state;  ///< done, failed, skipped, running, stopped, waiting
  std::optional<Record> record;
  std::optional<ClaimState> claim;
  int64_t epoch = 0, epochs = 0;  ///< of the run so far
  double seconds_left = -1;       ///< of the run, were it to do all its epochs; < 0: not known
};

/// Epochs and their mean time, from what the run has written; nothing where it has not.
void add_progress(PointStatus& status, const SweepStore& store) {
  const std::string folder = store.run_folder(*status.point) + "/";
  const std::string path = folder + std::string(run_files::kStatus);
  if (!exists(path)) return;
  try {
    const Value document = parse_json_or_throw(read_text(path), path, ExitCode::storage);
    status.epoch = document.find("epoch")->integer();
    status.epochs = document.find("epochs")->integer();
    std::vector<MetricsRow> rows(static_cast<size_t>(status.epoch));
    for (size_t i = 0; i < rows.size(); ++i) rows[i].epoch = static_cast<int64_t>(i + 1);
    adopt_times(rows, folder + std::string(run_files::kMetrics));
    double seconds = 0;
    for (const MetricsRow& row : rows) seconds += row.seconds;
    if (status.epoch > 0 && seconds > 0)
      status.seconds_left = seconds / static_cast<double>(status.epoch) *
                            static_cast<double>(status.epochs - status.epoch);
  } catch (const std::exception&) {
    return;  // it is being written, or damaged: the state is known all the same
  }
}

PointStatus status_of(const SweepPoint& point, const SweepStore& store) {
  PointStatus status{
      .point = &point, .record = store.record(point), .claim = store.claim_state(point)};
  if (status.claim && status.claim->alive) {
    status.state = "running";
    add_progress(status, store);
  } else if (status.record) {
    constexpr std::string_view kStates[] = {"done", "failed", "skipped"};
    status.state = kStates[static_cast<size_t>(status.record->state)];
  } else {
    status.state = status.claim ? "stopped" : "waiting";
    if (status.claim) add_progress(status, store);
  }
  return status;
}

std::vector<PointStatus> all_status(const SweepSession& session, const SweepStore& store) {
  std::vector<PointStatus> all;
  for (const SweepPoint& point : session.sweep.points) all.push_back(status_of(point, store));
  return all;
}

std::string text_of(const SweepSession& session, const SweepStore& store,
                    const std::vector<PointStatus>& all) {
  constexpr std::string_view kStates[] = {"done",    "running", "stopped",
                                          "waiting", "failed",  "skipped"};
  std::string text = fmt::format("{}  {}\n", session.sweep.file.name, store.folder());
  Table counts({{"state"}, {"points", Table::Align::right}});
  for (const std::string_view state : kStates) {
    const auto count = std::count_if(all.begin(), all.end(),
                                     [&](const PointStatus& s) { return s.state == state; });
    if (count > 0) counts.add({std::string(state), with_commas(count)});
  }
  text += counts.text();
  Table running({{"running", Table::Align::left, true},
                 {"seed", Table::Align::right},
                 {"epoch", Table::Align::right},
                 {"left at most", Table::Align::right},
                 {"host", Table::Align::left, true},
                 {"process", Table::Align::right}});
  Table failed({{"failed or skipped", Table::Align::left, true},
                {"seed", Table::Align::right},
                {"code", Table::Align::right},
                {"reason", Table::Align::left, true}});
  bool any_running = false, any_failed = false;
  for (const PointStatus& status : all) {
    const std::string& name = session.sweep.configurations[status.point->configuration].name;
    const std::string seed = std::to_string(status.point->seed);
    if (status.state == "running") {
      any_running = true;
      running.add({name, seed, fmt::format("{}/{}", status.epoch, status.epochs),
                   status.seconds_left >= 0 ? short_seconds(status.seconds_left) : "?",
                   status.claim->host, std::to_string(status.claim->process)});
    } else if (status.record && status.record->state != Record::State::done) {
      any_failed = true;
      failed.add({name, seed, std::to_string(status.record->exit_code),
                  status.record->reason.substr(0, status.record->reason.find('\n'))});
    }
  }
  if (any_running) text += "\n" + running.text();
  if (any_failed) {
    text += "\n" + failed.text();
    text += fmt::format("logs: {}/{}; --retry-failed runs them again\n", store.folder(),
                        sweep_files::kLogs);
  }
  return text;
}

/// Tasks that wait or run in Slurm's queue, in a line; empty where nothing was submitted.
std::string queue_text(const std::string& folder) {
  std::map<std::string, int64_t> counts;
  try {
    for (const SlurmTaskState& task : slurm_states(folder))
      if (!task.ended) ++counts[task.state];
  } catch (const Error& error) {
    return fmt::format("\nnote: {}\n", error.what());
  }
  std::string text;
  for (const auto& [state, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", with_commas(count), state);
  return text.empty() ? text : "\ntasks of Slurm: " + text + "\n";
}

Value json_of(const SweepSession& session, const SweepStore& store,
              const std::vector<PointStatus>& all) {
  Array points;
  for (const PointStatus& status : all) {
    Value entry{Object{}};
    entry.set("configuration", session.sweep.configurations[status.point->configuration].name);
    entry.set("seed", status.point->seed);
    entry.set("state", status.state);
    entry.set("folder", store.run_folder(*status.point));
    if (status.record) {
      entry.set("record", record_value(*status.record));
    } else if (status.claim) {
      entry.set("attempt", status.claim->attempt);
      entry.set("epoch", status.epoch);
      entry.set("epochs", status.epochs);
      entry.set("host", status.claim->host);
      entry.set("process", status.claim->process);
      if (status.seconds_left >= 0) entry.set("seconds_left_at_most", status.seconds_left);
    }
    points.push_back(std::move(entry));
  }
  Value document{Object{}};
  document.set("name", session.sweep.file.name);
  document.set("folder", store.folder());
  document.set("points", std::move(points));
  return document;
}

/// Draws the state again and again over itself, until all is done or a signal comes.
int watch(const SweepSession& session, const SweepStore& store) {
  constexpr auto kBetween = std::chrono::seconds(2);
  const StopSignals signals;
  const bool terminal = isatty(STDOUT_FILENO);
  while (!signals.requested()) {
    const std::vector<PointStatus> all = all_status(session, store);
    fmt::print("{}{}{}", terminal ? "\x1b[H\x1b[2J" : "", text_of(session, store, all),
               queue_text(session.folder));
    if (!terminal) fmt::print("\n");
    std::fflush(stdout);
    const bool ended = std::all_of(all.begin(), all.end(), [](const PointStatus& status) {
      return status.record && status.state != "running";
    });
    if (ended) break;
    std::this_thread::sleep_for(kBetween);
  }
  return 0;
}

int status(const StatusArguments& arguments) {
  const SweepSession session = open_sweep(arguments);
  const SweepStore store(real_files(), session.folder);
  if (arguments.watch) return watch(session, store);
  const std::vector<PointStatus> all = all_status(session, store);
  if (arguments.shared.json) {
    fmt::print("{}\n", to_json(json_of(session, store, all)));
  } else {
    fmt::print("{}{}", text_of(session, store, all), queue_text(session.folder));
  }
  return 0;
}

}  // namespace

Action declare_sweep_status(Arguments& arguments) {
  auto options = std::make_shared<StatusArguments>();
  add_sweep(arguments, *options);
  arguments.flag("--watch", options->watch,
                 {.doc = "Show it again every two seconds, until all points have ended"});
  add_data_dir(arguments, options->shared);
  return [options] { return status(*options); };
}

}  // namespace engine
