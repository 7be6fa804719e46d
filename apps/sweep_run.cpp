// engine sweep run: does the points that are not done yet.

#include <filesystem>

#include "apps/console.h"
#include "apps/slots.h"
#include "apps/sweep_session.h"
#include "apps/sweep_tables.h"
#include "apps/table.h"
#include "engine/core/error.h"
#include "engine/sweep/runner.h"

namespace engine {
namespace {

struct SweepRunArguments : SweepArguments {
  std::string shard;
  std::optional<int64_t> jobs;
  int64_t per_gpu = 1;
  bool retry_failed = false, quiet = false;
};

/// Words that every run of the sweep gets.
std::vector<std::string> run_words(const SharedOptions& shared) {
  std::vector<std::string> words{"--data-dir", resolve_data_dir(shared.data_dir)};
  if (shared.skip_bad) words.emplace_back("--skip-bad");
  if (shared.threads > 0) words.insert(words.end(), {"--threads", std::to_string(shared.threads)});
  return words;
}

ExitCode code_of(const SweepOutcome& outcome) {
  if (outcome.stopped) return ExitCode::stopped;
  return outcome.failed + outcome.skipped > 0 ? ExitCode::points_failed : ExitCode::ok;
}

void print_outcome(const SweepOutcome& outcome, const std::string& page) {
  const auto row = [](std::string_view name, size_t count) {
    fmt::print("{:<10}{}\n", name, with_commas(static_cast<int64_t>(count)));
  };
  row("done", outcome.done);
  if (outcome.failed) row("failed", outcome.failed);
  if (outcome.skipped) row("skipped", outcome.skipped);
  if (outcome.elsewhere) row("elsewhere", outcome.elsewhere);
  if (outcome.left) row("left", outcome.left);
  if (!page.empty()) fmt::print("{:<10}{}\n", "table", page);
}

void print_json(const SweepOutcome& outcome, const SweepSession& session, const std::string& page) {
  Value document{Object{}};
  document.set("folder", session.folder);
  document.set("done", static_cast<int64_t>(outcome.done));
  document.set("failed", static_cast<int64_t>(outcome.failed));
  document.set("skipped", static_cast<int64_t>(outcome.skipped));
  document.set("elsewhere", static_cast<int64_t>(outcome.elsewhere));
  document.set("left", static_cast<int64_t>(outcome.left));
  document.set("stopped", outcome.stopped);
  if (!page.empty()) document.set("table", page);
  fmt::print("{}\n", to_json(document));
}

int run(const SweepRunArguments& arguments) {
  const StopSignals signals;  // until the end: a scheduler's signal may come at any time
  const SweepSession session = open_sweep(arguments);
  SweepRunOptions options{.program = this_program(),
                          .words = run_words(arguments.shared),
                          .retry_failed = arguments.retry_failed};
  Slots made = make_slots({.program = options.program,
                           .device = arguments.shared.device,
                           .threads = arguments.shared.threads,
                           .jobs = arguments.jobs.value_or(0),
                           .concurrency = session.sweep.file.concurrency,
                           .per_gpu = arguments.per_gpu,
                           .sweep = &session.sweep});
  options.slots = std::move(made.slots);
  const bool whole = arguments.shard.empty();
  if (!whole) options.shard = parse_shard(arguments.shard);
  Progress progress({.quiet = arguments.quiet, .many_runs = true});
  if (!made.note.empty()) progress.line(made.note);
  const SweepStore store(real_files(), session.folder);
  const SweepOutcome outcome =
      run_sweep(session.sweep, store, real_files(), options, signals, progress);
  // Of several shards each would write the tables of all.
  std::string page;
  if (whole) {
    page = save_sweep_tables(session, store, session.sweep.baseline).page;
    if (!arguments.shared.json && outcome.done > 1)
      print_sentences(session, store, session.sweep.baseline);
  }
  arguments.shared.json ? print_json(outcome, session, page) : print_outcome(outcome, page);
  return static_cast<int>(code_of(outcome));
}

}  // namespace

Action declare_sweep_run(Arguments& arguments) {
  auto options = std::make_shared<SweepRunArguments>();
  add_sweep(arguments, *options);
  arguments.text("--shard", options->shard,
                 {.doc = "Only the I-th of N parts of the points, from 0: for schedulers with "
                         "indexed jobs",
                  .placeholder = "I/N"});
  arguments.integer("--jobs", options->jobs,
                    {.doc = "Points at a time (default: one on each GPU; on the CPU the key "
                            "concurrency), each with its share of the cores",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 4096});
  arguments.integer(
      "--per-gpu", options->per_gpu,
      {.doc = "Points at a time on each GPU, as far as their memory fits (default: 1)",
       .placeholder = "K",
       .minimum = 1,
       .maximum = 64});
  arguments.flag("--retry-failed", options->retry_failed,
                 {.doc = "Run points that failed or were skipped again"});
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  arguments.flag("--quiet", options->quiet,
                 {.doc = "No progress on standard error, only warnings and errors"});
  arguments.footer(
      "Points that are done are not run again, points that were stopped go on where they were. "
      "Several of these commands, on several machines that share the folder, divide the points "
      "among them. Exit code 1: some points failed; 75: stopped by a signal, the same command goes "
      "on.");
  return [options] { return run(*options); };
}

}  // namespace engine
