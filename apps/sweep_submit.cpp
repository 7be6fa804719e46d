// engine sweep submit: the points that are not done yet as job arrays of Slurm.

#include <filesystem>
#include <set>

#include "apps/console.h"
#include "apps/sweep_session.h"
#include "apps/table.h"
#include "engine/core/error.h"
#include "engine/sweep/slurm.h"

namespace engine {
namespace {

/// MaxArraySize of a cluster where nobody has changed it.
constexpr int64_t kDefaultArraySize = 1001;

struct SubmitArguments : SweepArguments {
  bool dry_run = false, retry_failed = false;
};

SlurmCommand command_of(const SubmitArguments& arguments, const std::string& out) {
  const SharedOptions& shared = arguments.shared;
  SlurmCommand command{.program = this_program(),
                       .folder = std::filesystem::current_path(),
                       .file = shared.file,
                       .out = out,
                       .arguments = {}};
  const auto add = [&](const char* option, const std::string& value) {
    command.arguments.insert(command.arguments.end(), {option, value});
  };
  for (const std::string& set : shared.set) add("--set", set);
  if (shared.device != "auto") add("--device", shared.device);
  if (shared.threads > 0) add("--threads", std::to_string(shared.threads));
  if (!shared.data_dir.empty()) add("--data-dir", shared.data_dir);
  if (shared.skip_bad) command.arguments.emplace_back("--skip-bad");
  return command;
}

/// Two arrays for the same points would get in each other's way.
void require_empty_queue(const std::string& out) {
  std::set<std::string> jobs;
  size_t tasks = 0;
  for (const SlurmTaskState& task : slurm_states(out)) {
    if (task.ended) continue;
    ++tasks;
    jobs.insert(task.job.substr(0, task.job.find('_')));
  }
  if (tasks == 0) return;
  fail(ExitCode::busy,
       "{}: {} task{} of an earlier submission {} still in the queue (job{} {}): wait until they "
       "have ended, or end them with `scancel {}`; what they have done stays",
       out, tasks, tasks == 1 ? "" : "s", tasks == 1 ? "is" : "are", jobs.size() == 1 ? "" : "s",
       fmt::join(jobs, ", "), fmt::join(jobs, " "));
}

/// Which points need no task: those that ended; with --retry-failed, those that ended well.
std::vector<bool> ended_points(const Sweep& sweep, const SweepStore& store, bool retry_failed) {
  std::vector<bool> ended;
  for (const SweepPoint& point : sweep.points) {
    const auto record = store.record(point);
    ended.push_back(record && !(retry_failed && record->state != Record::State::done));
  }
  return ended;
}

/// A dry run may be done anywhere.
int64_t array_size(bool dry_run) {
  try {
    return slurm_max_array_size();
  } catch (const Error& error) {
    if (!dry_run) throw;
    print_error(
        fmt::format("note: {}\nnote: assuming MaxArraySize {}", error.what(), kDefaultArraySize));
    return kDefaultArraySize;
  }
}

/// `ids` are those of the jobs; of a dry run there are none.
Value jobs_value(const std::vector<SlurmArray>& arrays, const std::vector<std::string>& ids) {
  Array jobs;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const SlurmArray& array = arrays[i];
    Value job{Object{}};
    if (!ids.empty()) job.set("job", ids[i]);
    job.set("level", static_cast<int64_t>(array.level));
    job.set("tasks", index_ranges(array.tasks));
    Array after;
    for (const size_t before : array.after)
      after.push_back(ids.empty() ? arrays[before].file : ids[before]);
    job.set("after", std::move(after));
    job.set("script", array.file);
    if (ids.empty()) job.set("text", array.script);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

void print_json(const SweepSession& session, const std::vector<SlurmArray>& arrays,
                const std::vector<std::string>& ids) {
  Value document{Object{}};
  document.set("folder", session.folder);
  document.set("points", static_cast<int64_t>(session.sweep.points.size()));
  document.set("tasks", slurm_tasks(session.sweep));
  document.set("jobs", jobs_value(arrays, ids));
  fmt::print("{}\n", to_json(document));
}

void print_scripts(const std::string& out, const std::vector<SlurmArray>& arrays) {
  for (const SlurmArray& array : arrays) {
    std::string dependency;
    for (const size_t before : array.after) {
      dependency += dependency.empty() ? " --dependency=afterany" : "";
      dependency += fmt::format(":JOB_OF_{}", arrays[before].file);
    }
    fmt::print("sbatch --parsable{} {}\n\n{}\n", dependency,
               shell_word(out + "/slurm/" + array.file), array.script);
  }
}

void print_jobs(const SweepSession& session, const std::vector<SlurmArray>& arrays,
                const std::vector<std::string>& ids) {
  Table table({{"job"},
               {"level", Table::Align::right},
               {"tasks", Table::Align::left, true},
               {"after", Table::Align::left, true},
               {"script", Table::Align::left, true}});
  for (size_t i = 0; i < arrays.size(); ++i) {
    std::vector<std::string> after;
    for (const size_t before : arrays[i].after) after.push_back(ids[before]);
    table.add({ids[i], std::to_string(arrays[i].level), index_ranges(arrays[i].tasks),
               fmt::format("{}", fmt::join(after, ", ")),
               session.folder + "/slurm/" + arrays[i].file});
  }
  fmt::print("{}", table.text());
}

int submit(const SubmitArguments& arguments) {
  const SweepSession session = open_sweep(arguments);
  const Sweep& sweep = session.sweep;
  const SweepStore store(real_files(), session.folder);
  const int64_t most = array_size(arguments.dry_run);
  const auto arrays = slurm_arrays(sweep, command_of(arguments, session.folder),
                                   ended_points(sweep, store, arguments.retry_failed), most);
  std::vector<std::string> ids;
  if (!arguments.dry_run && !arrays.empty()) {
    require_empty_queue(session.folder);
    if (arguments.retry_failed) {
      for (const SweepPoint& point : sweep.points) {
        const auto record = store.record(point);
        if (record && record->state != Record::State::done) store.forget(point);
      }
    }
    const auto jobs =
        submit_arrays(session.folder, sweep.file.path, static_cast<int64_t>(sweep.points.size()),
                      slurm_tasks(sweep), arrays);
    for (const SlurmJob& job : jobs) ids.push_back(job.id);
  }
  if (arguments.shared.json) {
    print_json(session, arrays, ids);
  } else if (arrays.empty()) {
    fmt::print("{}: every point has ended; nothing to submit\n", session.folder);
  } else if (arguments.dry_run) {
    print_scripts(session.folder, arrays);
  } else {
    print_jobs(session, arrays, ids);
  }
  return 0;
}

}  // namespace

Action declare_sweep_submit(Arguments& arguments) {
  auto options = std::make_shared<SubmitArguments>();
  add_sweep(arguments, *options);
  arguments.flag("--dry-run", options->dry_run,
                 {.doc = "Print what would be submitted; write and submit nothing"});
  arguments.flag("--retry-failed", options->retry_failed,
                 {.doc = "Run points that failed or were skipped again"});
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  arguments.footer(
      "Each task does points of the sweep with the sweep file's lines for Slurm (key slurm). A "
      "task that is stopped, by its time limit too, goes back into the queue and goes on where it "
      "was.");
  return [options] { return submit(*options); };
}

}  // namespace engine
