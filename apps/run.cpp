// engine run: trains an experiment and leaves a run folder.

#include <chrono>

#include "apps/console.h"
#include "apps/fetching.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/value.h"
#include "engine/report/run_report.h"
#include "engine/report/tensorboard_log.h"

namespace engine {
namespace {

struct RunArguments {
  SharedOptions shared;
  RunOptions run;
  std::optional<int64_t> epochs;
  bool fetch = false, quiet = false;
};

/// Of what this run wrote for people: the page and the folder of events, where they are.
std::string written(const RunResult& result, bool wanted, std::string_view name) {
  std::string path = fmt::format("{}/{}", result.folder, name);
  return wanted && exists(path) ? path : "";
}

void print_json(const RunResult& result, const LogConfig& log, double seconds) {
  Value value{Object{}};
  value.set("folder", result.folder);
  value.set("finished", result.finished);
  value.set("stopped_early", result.stopped_early);
  value.set("epochs", result.epochs);
  value.set("best_epoch", result.best_epoch);
  if (result.finished) {
    value.set("test_accuracy", result.test.accuracy);
    value.set("test_loss", result.test.loss);
  }
  value.set("seconds", seconds);
  const std::string report = written(result, log.report, run_files::kReport);
  if (!report.empty()) value.set("report", report);
  const std::string events = written(result, log.tensorboard, run_files::kTensorboard);
  if (!events.empty()) value.set("tensorboard", events);
  fmt::print("{}\n", to_json(value));
}

void print_result(const RunResult& result, const LogConfig& log, double seconds) {
  if (result.finished) {
    fmt::print("test accuracy  {:.2f} %\n", 100 * result.test.accuracy);
    fmt::print("test loss      {:.4f}\n", result.test.loss);
    fmt::print("best epoch     {} of {}{}\n", result.best_epoch, result.epochs,
               result.stopped_early ? " (stopped early)" : "");
    fmt::print("time           {}\n", short_seconds(seconds));
  }
  fmt::print("run folder     {}\n", result.folder);
  const std::string report = written(result, log.report, run_files::kReport);
  if (!report.empty()) fmt::print("report         {}\n", report);
  const std::string events = written(result, log.tensorboard, run_files::kTensorboard);
  if (!events.empty()) fmt::print("tensorboard    {}\n", events);
}

int run(RunArguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  if (arguments.epochs)
    arguments.shared.set.push_back(fmt::format("train.epochs={}", *arguments.epochs));
  const Session session = open_session(arguments.shared);
  arguments.run.data = data_options(arguments.shared);
  require_dataset(session.experiment, arguments.run.data.data_dir, arguments.fetch,
                  arguments.quiet);
  arguments.run.without_passes = arguments.shared.without_passes;
  arguments.run.environment = this_environment(session.machine);
  Progress progress({.quiet = arguments.quiet});
  const Machine& machine = session.machine;
  if (!machine.note.empty()) progress.line(machine.note);
  RunFacts facts(typed_command());
  RunReport report(facts);
  TensorboardLog tensorboard(facts);
  const LogConfig& log = session.experiment.log;
  if (log.report || log.tensorboard) arguments.run.observers.push_back(&facts);
  if (log.report) arguments.run.observers.push_back(&report);
  if (log.tensorboard) arguments.run.observers.push_back(&tensorboard);
  const RunResult result =
      run_training(session.experiment, machine.registry, *machine.device, arguments.run, progress);
  progress.finish();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  arguments.shared.json ? print_json(result, log, seconds) : print_result(result, log, seconds);
  return static_cast<int>(result.code);
}

}  // namespace

Action declare_run(Arguments& arguments) {
  auto options = std::make_shared<RunArguments>();
  add_file(arguments, options->shared);
  add_set(arguments, options->shared);
  arguments.integer("--epochs", options->epochs,
                    {.doc = "Override the key train.epochs", .placeholder = "N"});
  arguments.text(
      "--out", options->run.out,
      {.doc = "Exactly this run folder (default: the next free runs/NAME)", .placeholder = "DIR"});
  arguments.text("--from", options->run.from,
                 {.doc = "Start from the best weights of a run folder, or from a safetensors file",
                  .placeholder = "RUN|WEIGHTS"});
  arguments.flag("--resume", options->run.resume,
                 {.doc = "Go on where the newest checkpoint of the run folder is"});
  arguments.flag("--overwrite", options->run.overwrite,
                 {.doc = "Replace the run in the run folder", .excludes = "--resume"});
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  arguments.flag("--fetch", options->fetch,
                 {.doc = "Download CIFAR-10 first if the experiment needs it"});
  add_passes(arguments, options->shared);
  arguments.flag("--quiet", options->quiet,
                 {.doc = "No progress on standard error, only warnings and errors"});
  add_json(arguments, options->shared);
  arguments.footer(
      "SIGINT, SIGTERM, SIGHUP and SIGUSR2 stop a run at the next step with a checkpoint (exit "
      "code 75); the "
      "same command with --resume goes on.");
  return [options] { return run(*options); };
}

}  // namespace engine
