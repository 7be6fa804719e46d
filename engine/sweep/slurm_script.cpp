// How a sweep is cut into job arrays, and their scripts.

#include <algorithm>
#include <numeric>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/sweep/slurm.h"

namespace engine {
namespace {

/// So many runs of indices with gaps between them fit into one --array=.
constexpr size_t kMostRanges = 200;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// One line of the script that sbatch reads.
class Directives {
 public:
  explicit Directives(const std::string& file) : file_(file) {}
  void add(std::string_view option) { text_ += fmt::format("#SBATCH --{}\n", option); }
  /// Nothing where the sweep file does not say.
  void add(std::string_view option, std::string_view value, std::string_view key) {
    if (value.empty()) return;
    if (has_control(value)) {
      fail(ExitCode::experiment,
           "{}: slurm.{}: expected text of one line without control characters", file_, key);
    }
    add(fmt::format("{}={}", option, sbatch_word(value)));
  }
  /// As the user wrote it.
  void add_line(std::string_view line) {
    if (has_control(line)) {
      fail(ExitCode::experiment,
           "{}: slurm.options: expected text of one line without control characters", file_);
    }
    for (size_t begin = 0; begin < line.size();) {
      const size_t end = std::min(line.find(' ', begin), line.size());
      refuse(line.substr(begin, end - begin));
      begin = end + 1;
    }
    text_ += fmt::format("#SBATCH {}\n", line);
  }
  const std::string& text() const { return text_; }

 private:
  /// Options that would break what a sweep relies on.
  void refuse(std::string_view word) const {
    const std::string_view name = word.substr(0, word.find('='));
    if (name != "--array" && name != "--clusters" && !word.starts_with("-a") &&
        !word.starts_with("-M"))
      return;
    fail(ExitCode::experiment,
         "{}: slurm.options: \"{}\" cannot be given: a sweep sets its own arrays, and asks the "
         "cluster that it was submitted from",
         file_, word);
  }

  const std::string& file_;
  std::string text_;
};

/// A path for --output, in which Slurm replaces what begins with a percent sign; a backslash
/// anywhere would make it replace nothing.
std::string output_pattern(const std::string& folder) {
  if (has_control(folder) || folder.find('\\') != std::string::npos) {
    fail(ExitCode::usage,
         "--out {}: Slurm cannot write to a folder with a backslash or a control character in its "
         "path; choose another",
         printable(folder, false));
  }
  std::string pattern;
  for (const char c : folder) pattern += c == '%' ? std::string("%%") : std::string(1, c);
  return pattern + "/slurm/%A_%a.out";
}

std::string absolute(const std::string& path, const std::string& folder) {
  return path.starts_with('/') ? path : folder + "/" + path;
}

std::string directives(const Sweep& sweep, const SlurmCommand& command, const SlurmArray& array) {
  const SlurmConfig& slurm = sweep.file.slurm;
  Directives lines(sweep.file.path);
  std::vector<int64_t> indices;
  for (const int64_t task : array.tasks) indices.push_back(task - array.offset);
  std::string range = index_ranges(indices);
  if (slurm.array_limit > 0) range += fmt::format("%{}", slurm.array_limit);
  lines.add("job-name", sweep.file.name, "name");
  lines.add("array=" + range);
  lines.add("output", output_pattern(absolute(command.out, command.folder)), "output");
  lines.add("open-mode=append");
  lines.add("requeue");
  lines.add(fmt::format("signal=USR2@{}", slurm.signal_seconds));
  lines.add("ntasks=1");
  if (slurm.cpus_per_task > 0) lines.add(fmt::format("cpus-per-task={}", slurm.cpus_per_task));
  lines.add("partition", slurm.partition, "partition");
  lines.add("account", slurm.account, "account");
  lines.add("qos", slurm.qos, "qos");
  lines.add("constraint", slurm.constraint, "constraint");
  lines.add("gres", slurm.gres, "gres");
  lines.add("mem", slurm.mem, "mem");
  lines.add("time", slurm.time, "time");
  for (const std::string& option : slurm.options) lines.add_line(option);
  return lines.text();
}

std::string script_of(const Sweep& sweep, const SlurmCommand& command, const SlurmArray& array) {
  const SlurmConfig& slurm = sweep.file.slurm;
  const int64_t tasks = slurm_tasks(sweep);
  std::string text = "#!/bin/bash\n";
  text +=
      fmt::format("# Tasks {} of {} of the sweep {}, chain level {}.\n", index_ranges(array.tasks),
                  tasks, printable(command.file, false), array.level);
  text += "# Made by `engine sweep submit`, which overwrites it; docs/slurm.md explains it.\n";
  text += directives(sweep, command, array);
  text += fmt::format("\ncd {} || exit\n", shell_word(command.folder));
  for (const std::string& line : slurm.setup) text += line + "\n";
  text += "\n# srun passes signals on to the engine, which stops with a checkpoint.\n";
  text += "srun --ntasks=1 ${SLURM_CPUS_PER_TASK:+--cpus-per-task=\"$SLURM_CPUS_PER_TASK\"} \\\n";
  text += fmt::format("  {} sweep run {} --out {} \\\n", shell_word(command.program),
                      shell_word(command.file), shell_word(command.out));
  text +=
      fmt::format("  --shard \"$(({} + SLURM_ARRAY_TASK_ID))/{}\" --jobs 1", array.offset, tasks);
  const auto& arguments = command.arguments;
  if (std::find(arguments.begin(), arguments.end(), "--threads") == arguments.end())
    text += " \\\n  ${SLURM_CPUS_PER_TASK:+--threads \"$SLURM_CPUS_PER_TASK\"}";
  if (!arguments.empty()) text += " \\\n ";
  for (const std::string& argument : arguments) text += " " + shell_word(argument);
  text += "\nrc=$?\n\n";
  text += fmt::format(
      "# 75: stopped by a signal with good checkpoints; 140 and 143: SIGUSR2 or SIGTERM came "
      "before it\n"
      "# was ready for them, or after. This task goes back into the queue.\n"
      "case \"$rc\" in\n"
      "  75 | 140 | 143)\n"
      "    if [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {} ]; then\n"
      "      scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\" && exit\n"
      "    fi\n"
      "    ;;\n"
      "esac\n"
      "exit \"$rc\"\n",
      slurm.requeues);
  return text;
}

size_t ranges_in(const std::vector<int64_t>& tasks) {
  size_t ranges = 1;
  for (size_t i = 1; i < tasks.size(); ++i) ranges += tasks[i] != tasks[i - 1] + 1;
  return ranges;
}

/// Whether the next task needs an array of its own.
bool is_full(const SlurmArray& array, int64_t next, int64_t max_array_size) {
  return next - array.offset >= max_array_size || ranges_in(array.tasks) >= kMostRanges;
}

/// A level starts when the one before it has ended. With a limit on tasks at a time each array
/// waits for the one before it, so that the limit holds for all of them together.
void order_arrays(std::vector<SlurmArray>& arrays, bool one_at_a_time) {
  size_t level_begin = 0, before_begin = 0;
  for (size_t i = 1; i < arrays.size(); ++i) {
    if (arrays[i].level != arrays[i - 1].level) {
      before_begin = level_begin;
      level_begin = i;
    }
    if (one_at_a_time) {
      arrays[i].after = {i - 1};
    } else if (level_begin > 0) {
      arrays[i].after.resize(level_begin - before_begin);
      std::iota(arrays[i].after.begin(), arrays[i].after.end(), before_begin);
    }
  }
}

}  // namespace

int64_t slurm_tasks(const Sweep& sweep) {
  const auto count = static_cast<int64_t>(sweep.points.size());
  const int64_t each = sweep.file.slurm.points_per_task;
  return (count + each - 1) / each;
}

std::vector<SlurmArray> slurm_arrays(const Sweep& sweep, const SlurmCommand& command,
                                     const std::vector<bool>& done, int64_t max_array_size) {
  const auto count = static_cast<int64_t>(sweep.points.size());
  const int64_t tasks = slurm_tasks(sweep);
  std::vector<SlurmArray> arrays;
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t begin = task * count / tasks, end = (task + 1) * count / tasks;
    if (std::find(done.begin() + begin, done.begin() + end, false) == done.begin() + end) continue;
    const size_t level = sweep.points[static_cast<size_t>(begin)].level;
    const bool same_level = !arrays.empty() && arrays.back().level == level;
    if (!same_level || is_full(arrays.back(), task, max_array_size)) {
      const size_t chunk = same_level ? arrays.back().chunk + 1 : 0;
      arrays.push_back({.level = level,
                        .chunk = chunk,
                        .offset = task,
                        .tasks = {},
                        .after = {},
                        .file = fmt::format("level{}-{}.sbatch", level, chunk),
                        .script = {}});
    }
    arrays.back().tasks.push_back(task);
  }
  order_arrays(arrays, sweep.file.slurm.array_limit > 0);
  for (SlurmArray& array : arrays) array.script = script_of(sweep, command, array);
  return arrays;
}

std::string sbatch_word(std::string_view text) {
  if (shell_word(text) == text) return std::string(text);
  // A backslash does not keep a space in a word, quotes do; a # in quotes needs one all the same in
  // old versions.
  std::string word = "\"";
  for (const char c : text) {
    if (std::string_view("\"\\#").find(c) != std::string_view::npos) word += '\\';
    word += c;
  }
  return word + "\"";
}

std::string index_ranges(const std::vector<int64_t>& indices) {
  std::string text;
  for (size_t i = 0; i < indices.size();) {
    size_t last = i;
    while (last + 1 < indices.size() && indices[last + 1] == indices[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text +=
        last == i ? fmt::format("{}", indices[i]) : fmt::format("{}-{}", indices[i], indices[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace engine
