#include "engine/run/trainer.h"

#include <new>

#include "engine/core/error.h"
#include "engine/run/checkpoint.h"
#include "engine/run/training.h"

namespace engine {

RunResult run_training(const Experiment& experiment, const Registry& registry, Device& device,
                       const RunOptions& options, Progress& progress) {
  if (options.resume && options.overwrite) {
    fail(ExitCode::usage, "--resume and --overwrite exclude each other");
  }
  Training training(experiment, registry, device, options, progress);
  try {
    return training.run();
  } catch (const Error& error) {
    training.write_status("failed", error.what(), static_cast<int>(error.code()));
    throw;
  } catch (const std::bad_alloc&) {
    training.write_status("failed", "out of memory", static_cast<int>(ExitCode::out_of_memory));
    throw;
  } catch (const std::exception& error) {
    training.write_status("failed", error.what(), static_cast<int>(ExitCode::internal));
    throw;
  }
}

std::string weights_path(const std::string& run_or_weights) {
  if (!exists(run_or_weights)) {
    fail(ExitCode::data, "{}: not found; expected a run folder or a safetensors file",
         run_or_weights);
  }
  if (!is_folder(run_or_weights)) return run_or_weights;
  std::string path = run_or_weights + "/" + std::string(run_files::kBest);
  if (!exists(path)) {
    fail(ExitCode::data, "{}: not a run folder with weights: {} is missing", run_or_weights,
         run_files::kBest);
  }
  return path;
}

SavedRun load_run(const std::string& folder) {
  SavedRun run;
  run.config = folder + "/" + std::string(run_files::kConfig);
  if (!is_folder(folder) || !exists(run.config)) {
    fail(ExitCode::data, "{}: not a run folder: {} is missing", folder, run_files::kConfig);
  }
  run.weights = weights_path(folder);
  SavedWeights weights = read_weights(run.weights);
  run.parameters = std::move(weights.parameters);
  run.statistics = std::move(weights.statistics);
  run.classes = std::move(weights.classes);
  run.epoch = weights.epoch;
  run.metadata = std::move(weights.metadata);
  return run;
}

}  // namespace engine
