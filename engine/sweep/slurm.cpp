// Slurm's programs: sbatch, squeue and scontrol, and the file that remembers the jobs.

#include "engine/sweep/slurm.h"

#include <algorithm>
#include <charconv>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/json.h"
#include "engine/core/text.h"
#include "engine/run/run_documents.h"
#include "engine/sweep/child_process.h"

namespace engine {
namespace {

constexpr std::string_view kJobs = "/slurm/jobs.json";

/// What the program printed, without line breaks at the end.
std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of("\r\n") + 1);
  return text;
}

/// Runs one of Slurm's programs; a missing one is an error, a failed one is the caller's.
ProgramOutput call(const std::vector<std::string>& arguments) {
  ProgramOutput output = run_program(arguments);
  if (!output.found) {
    fail(
        ExitCode::device,
        "{}: no such program: Slurm's commands are not installed here, or not in PATH. Submit on a "
        "login node of the cluster; `engine sweep run` works without Slurm, --dry-run shows the "
        "scripts",
        arguments[0]);
  }
  return output;
}

/// The same, where it must succeed.
std::string answer(const std::vector<std::string>& arguments) {
  const ProgramOutput output = call(arguments);
  if (!output.end.ok()) {
    fail(ExitCode::device, "{} failed: {}", fmt::join(arguments, " "),
         printable(trimmed(output.err), true));
  }
  return output.out;
}

std::vector<std::string_view> split(std::string_view text, char separator, size_t most) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < most) {
    const size_t end = text.find(separator);
    if (end == std::string_view::npos) break;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

std::optional<int64_t> number_in(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Value jobs_value(const std::string& file, int64_t points, int64_t tasks,
                 const std::vector<SlurmJob>& jobs) {
  Array rows;
  for (const SlurmJob& job : jobs) {
    Value row{Object{}};
    row.set("job", job.id);
    row.set("level", static_cast<int64_t>(job.array.level));
    row.set("offset", job.array.offset);
    row.set("tasks", index_ranges(job.array.tasks));
    row.set("script", job.array.file);
    rows.push_back(std::move(row));
  }
  Value document{Object{}};
  document.set("file", file);
  document.set("submitted", utc_now());
  document.set("points", points);
  document.set("tasks", tasks);
  document.set("jobs", std::move(rows));
  return document;
}

/// The id in what sbatch --parsable prints: "4711", or "4711;cluster".
std::string submitted_id(const std::string& printed) {
  std::string id = trimmed(printed);
  id = id.substr(0, id.find(';'));
  if (!number_in(id))
    fail(ExitCode::device, "sbatch: expected a job's number, got {}", printable(printed, false));
  return id;
}

std::string submit(const std::string& script, const std::vector<std::string>& after) {
  std::vector<std::string> arguments{"sbatch", "--parsable"};
  if (!after.empty())
    arguments.push_back(fmt::format("--dependency=afterany:{}", fmt::join(after, ":")));
  arguments.push_back(script);
  return submitted_id(answer(arguments));
}

/// What jobs.json says of an array.
struct KnownJob {
  std::string id;
  int64_t offset = 0;
};

struct KnownJobs {
  std::vector<KnownJob> jobs;
  int64_t tasks = 1;
};

[[noreturn]] void damaged(const std::string& path) {
  fail(ExitCode::storage,
       "{}: not what `engine sweep submit` writes; remove it if no job of this "
       "sweep is left in the queue",
       path);
}

int64_t count_member(const Value& object, std::string_view key, const std::string& path) {
  const Value* value = object.find(key);
  if (!value || !value->is(Value::Kind::integer) || value->integer() < 0) damaged(path);
  return value->integer();
}

KnownJobs read_jobs(const std::string& path) {
  const Value document = parse_json_or_throw(read_text(path), path, ExitCode::storage);
  KnownJobs known;
  known.tasks = count_member(document, "tasks", path);
  const Value* jobs = document.find("jobs");
  if (!jobs || !jobs->is(Value::Kind::array)) damaged(path);
  for (const Value& row : jobs->array()) {
    const Value* id = row.find("job");
    if (!id || !id->is(Value::Kind::string) || !number_in(id->string())) damaged(path);
    known.jobs.push_back({id->string(), count_member(row, "offset", path)});
  }
  return known;
}

/// States that Slurm does not leave again by itself.
bool is_final(std::string_view state) {
  static constexpr std::string_view kFinal[] = {
      "BOOT_FAIL", "CANCELLED", "COMPLETED",     "DEADLINE", "FAILED",
      "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "TIMEOUT",  "REVOKED"};
  return std::find(std::begin(kFinal), std::end(kFinal), state) != std::end(kFinal);
}

/// A line of squeue; nothing when it tells of no task of an array.
std::optional<SlurmTaskState> task_in(std::string_view line, const KnownJobs& known) {
  const auto cells = split(line, '|', 5);
  if (cells.size() != 5) return std::nullopt;
  const auto job = std::find_if(known.jobs.begin(), known.jobs.end(),
                                [&](const KnownJob& each) { return each.id == cells[0]; });
  const auto index = number_in(cells[1]);
  if (job == known.jobs.end() || !index) return std::nullopt;
  return SlurmTaskState{.job = fmt::format("{}_{}", cells[0], *index),
                        .shard = job->offset + *index,
                        .shards = known.tasks,
                        .state = std::string(cells[2]),
                        .nodes = std::string(cells[3]),
                        .reason = std::string(cells[4]),
                        .ended = is_final(cells[2])};
}

}  // namespace

int64_t slurm_max_array_size() {
  const std::string config = answer({"scontrol", "show", "config"});
  for (std::string_view line : split(config, '\n', SIZE_MAX)) {
    if (!line.starts_with("MaxArraySize")) continue;
    const size_t begin = line.find_first_not_of(" =", std::string_view("MaxArraySize").size());
    if (begin == std::string_view::npos) continue;
    const auto size = number_in(line.substr(begin));
    if (size && *size > 1) return *size;
    fail(ExitCode::device, "this cluster allows no job arrays (MaxArraySize is {})",
         line.substr(begin));
  }
  fail(ExitCode::device, "scontrol show config does not say MaxArraySize");
}

std::vector<SlurmJob> submit_arrays(const std::string& out, const std::string& file, int64_t points,
                                    int64_t tasks, std::vector<SlurmArray> arrays) {
  FileSystem& files = real_files();
  make_folders(files, out + "/slurm");
  for (const SlurmArray& array : arrays)
    save_file(files, out + "/slurm/" + array.file, array.script, {.durable = false});
  std::vector<SlurmJob> jobs;
  for (SlurmArray& array : arrays) {
    std::vector<std::string> after;
    for (const size_t before : array.after) after.push_back(jobs[before].id);
    try {
      std::string id = submit(out + "/slurm/" + array.file, after);
      jobs.push_back({std::move(id), std::move(array)});
    } catch (const Error& error) {
      if (jobs.empty()) throw;
      std::vector<std::string> taken;
      for (const SlurmJob& job : jobs) taken.push_back(job.id);
      fail(error.code(), "{}\nthese jobs were taken before and go on: {}; `scancel {}` ends them",
           error.what(), fmt::join(taken, ", "), fmt::join(taken, " "));
    }
    save_file(files, out + std::string(kJobs),
              to_json(jobs_value(file, points, tasks, jobs)) + "\n");
  }
  return jobs;
}

std::vector<SlurmTaskState> slurm_states(const std::string& out) {
  const std::string path = out + std::string(kJobs);
  if (!exists(path)) return {};
  const KnownJobs known = read_jobs(path);
  std::vector<std::string_view> ids;
  for (const KnownJob& job : known.jobs) ids.push_back(job.id);
  if (ids.empty()) return {};
  // One line for each task. The last column may hold anything.
  const std::vector<std::string> question{"squeue",
                                          "--noheader",
                                          "--array",
                                          "--states=all",
                                          fmt::format("--jobs={}", fmt::join(ids, ",")),
                                          "--format=%F|%K|%T|%N|%r"};
  const ProgramOutput output = call(question);
  if (!output.end.ok()) {
    // Of a single job that it has forgotten, squeue says this; of several it lists the others.
    if (output.err.find("Invalid job id specified") != std::string::npos) return {};
    fail(ExitCode::device, "squeue failed: {}", printable(trimmed(output.err), true));
  }
  std::vector<SlurmTaskState> states;
  for (const std::string_view line : split(output.out, '\n', SIZE_MAX)) {
    if (auto state = task_in(line, known)) states.push_back(std::move(*state));
  }
  return states;
}

}  // namespace engine
