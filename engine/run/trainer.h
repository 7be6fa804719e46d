#pragma once

#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/safetensors.h"
#include "engine/graph/executor.h"
#include "engine/run/experiment.h"
#include "engine/run/progress.h"

namespace engine {

/// What run means by "the same conditions": written to environment.json and kept in checkpoints.
/// The caller fills it in; run knows no device.
struct Environment {
  std::string engine_version;
  std::string device;     ///< Device::description()
  std::string isa;        ///< instruction_sets()
  std::string libraries;  ///< "oneDNN 3.2.0"
  int threads = 0;
};

class RunObserver;

struct RunOptions {
  std::string out;  ///< --out; empty: the next free <runs>/<name>
  std::string runs = "runs";
  bool resume = false;
  bool overwrite = false;
  std::string from;  ///< --from: run folder or weights; wins over "initialize"
  DataOptions data;
  Environment environment;
  std::vector<std::string> without_passes;
  FileSystem* files = nullptr;  ///< null: real_files()
  std::vector<RunObserver*> observers;
  /// Counts a step as exactly one millisecond instead of measuring, so that metrics.csv of two runs
  /// can be compared byte for byte. For tests; the environment variable ENGINE_COUNTED_TIME sets it
  /// too.
  bool counted_time = false;
};

struct RunResult {
  ExitCode code = ExitCode::ok;  ///< ok, or stopped
  std::string folder;
  bool finished = false;  ///< results.json is there
  bool stopped_early = false;
  int64_t epochs = 0;      ///< done, of all sessions
  int64_t best_epoch = 0;  ///< from 1; 0: none yet
  Totals test;             ///< of the weights that the run ends with
};

/// `engine run`: data, training, checkpoints, test, and the run folder that holds it all. With
/// resume, goes on exactly where the newest good checkpoint is; starts anew where there is none.
/// SIGINT, SIGTERM, SIGHUP and SIGUSR2 end it at the next step with a checkpoint (code stopped).
/// Throws Error; the run folder's status.json then says why.
RunResult run_training(const Experiment& experiment, const Registry& registry, Device& device,
                       const RunOptions& options, Progress& progress);

/// Weights for a network: a safetensors file, or a run folder, whose best.safetensors is taken.
/// Throws Error (data).
std::string weights_path(const std::string& run_or_weights);

/// What other verbs (evaluate, predict, export) need of a run.
struct SavedRun {
  std::string config;   ///< path of config.json: an experiment file
  std::string weights;  ///< path
  std::vector<NamedTensor> parameters;
  std::vector<double> statistics;  ///< for Pipeline::set_statistics
  std::vector<std::string> classes;
  int64_t epoch = 0;  ///< of the weights, from 1
  Metadata metadata;  ///< of the weights file, all of it
};
/// Throws Error (data) that says what is missing when folder is not a run.
SavedRun load_run(const std::string& folder);

}  // namespace engine
