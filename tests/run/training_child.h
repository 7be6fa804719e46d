#pragma once

// Tiny runs in child processes, which may be killed. The parent never trains: a process that has
// used OpenMP's threads cannot use them in a fork.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "engine/core/error.h"
#include "engine/cpu/cpu_device.h"
#include "engine/run/run_folder.h"
#include "engine/run/trainer.h"
#include "kernels/register.h"
#include "tests/run/fault_files.h"
#include "tests/support/paths.h"

namespace engine::test {

inline bool long_tests() {
  return std::getenv("ENGINE_LONG_TESTS") != nullptr;
}

/// What a child shows its parent while it lives.
struct Window {
  volatile int in_save = 0;
  volatile int saves = 0;  ///< states in place
  volatile int begun = 0;  ///< files were begun at all
};

inline Window* shared_window() {
  void* memory =
      mmap(nullptr, sizeof(Window), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Window;
}

struct Job {
  std::string folder;            ///< of everything
  std::vector<std::string> set;  ///< --set
  bool resume = true;            ///< starts anew where there is nothing
  bool overwrite = false;
  std::string from;
  int threads = 1;
  std::string out = "run";
  std::string log = "err.txt";           ///< what a person would see
  std::function<void(FaultFiles&)> arm;  ///< sets up faults, in the child
  Window* window = nullptr;
};

/// Everything that training can depend on: fresh noise, dropout, batch statistics, an incomplete
/// last batch, validation, early stopping's counters; a save every second step.
inline constexpr const char* kExperiment = R"({
  "name": "tiny", "seed": 5,
  "data": { "source": "shapes", "count": 60, "size": 8, "validation": 0.2 },
  "preprocess": [ { "op": "normalize" }, { "op": "noise", "sigma": 0.1, "when": "every_epoch" } ],
  "network": { "nodes": [
    { "name": "conv", "op": "conv2d", "filters": 6, "kernel": 3, "stride": 2 },
    { "name": "norm", "op": "batch_normalization" },
    { "name": "relu", "op": "activation", "function": "relu" },
    { "name": "gap", "op": "global_average_pool" },
    { "name": "dropout", "op": "dropout", "rate": 0.25 },
    { "name": "classifier", "op": "dense", "units": "classes" } ] },
  "train": { "epochs": 3, "batch_size": 10,
    "optimizer": { "type": "adam", "learning_rate": 0.01 },
    "schedule": { "type": "cosine", "warmup_epochs": 1 },
    "early_stopping": { "monitor": "validation_loss", "patience": 20 },
    "checkpoint": { "every_steps": 2 } } })";
inline constexpr int kStepsPerEpoch = 5;  // 48 images

/// In the child: never returns.
[[noreturn]] inline void train_and_exit(const Job& job) {
  int code = static_cast<int>(ExitCode::internal);
  try {
    set_threads(job.threads);
    const Registry registry = register_ops();
    const auto device = make_cpu_device();
    const std::string file = job.folder + "/tiny.json";
    const Experiment experiment = load_experiment(file, {.set = job.set}, registry);
    FaultFiles files;
    if (Window* window = job.window) {
      files.on_point = [window](std::string_view name) {
        window->begun = 1;
        if (name.ends_with(": begin")) window->in_save = 1;
        if (name.ends_with(": end")) window->in_save = 0;
        if (name == "state: end") window->saves = window->saves + 1;
      };
    }
    if (job.arm) job.arm(files);
    RunOptions options;
    options.out = job.folder + "/" + job.out;
    options.resume = job.resume;
    options.overwrite = job.overwrite;
    options.from = job.from;
    options.files = &files;
    options.counted_time = true;
    options.environment = {.engine_version = "test",
                           .device = "cpu",
                           .isa = "any",
                           .libraries = "any",
                           .threads = job.threads};
    const int fd =
        ::open((job.folder + "/" + job.log).c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    Progress progress({.fd = fd});
    try {
      code = static_cast<int>(run_training(experiment, registry, *device, options, progress).code);
    } catch (const Error& error) {
      progress.warning(fmt::format("error: {}", error.what()));
      code = static_cast<int>(error.code());
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "child: {}\n", error.what());
  }
  _exit(code);
}

inline pid_t start(const Job& job) {
  const std::string file = job.folder + "/tiny.json";
  if (!exists(file)) std::ofstream(file) << kExperiment;
  const pid_t child = fork();
  if (child == 0) train_and_exit(job);
  return child;
}

/// Exit code, or minus the signal that ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

inline int run(const Job& job) {
  return wait_for(start(job));
}

/// Hashes of what two equal runs share.
inline std::map<std::string, std::string> fingerprints(const std::string& run) {
  std::map<std::string, std::string> hashes;
  for (const auto name : {run_files::kBest, run_files::kLast, run_files::kState,
                          run_files::kMetrics, run_files::kResults, run_files::kConfig}) {
    const std::string path = run + "/" + std::string(name);
    hashes[std::string(name)] = exists(path) ? hash_hex(read_text(path)) : "missing";
  }
  return hashes;
}

}  // namespace engine::test
