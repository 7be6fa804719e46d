#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/problems.h"
#include "engine/core/registry.h"
#include "engine/data/dataset.h"
#include "engine/graph/network.h"
#include "engine/run/schedule.h"

namespace engine {

struct EarlyStopping {
  enum class Monitor { validation_loss, validation_accuracy };
  bool enabled = false;
  Monitor monitor = Monitor::validation_loss;
  int64_t patience = 3;
  double min_delta = 0;
  bool restore_best = true;
  void keys(Keys& keys);
};

struct CheckpointConfig {
  int64_t every_steps = 0;     ///< 0: at the end of each epoch only
  double every_seconds = 300;  ///< and when this long has passed since the last; 0: never by time
  void keys(Keys& keys);
};

struct TrainConfig {
  int64_t epochs = 10;
  int64_t batch_size = 32;
  int64_t evaluation_batch_size = 250;
  bool shuffle = true;
  double label_smoothing = 0;
  Schedule schedule;
  EarlyStopping early_stopping;
  CheckpointConfig checkpoint;
  std::unique_ptr<Optimizer> optimizer;  ///< adam when absent
  void keys(Keys& keys);
};

/// What a run leaves for people and other programs, beside what a resume and `evaluate` need.
struct LogConfig {
  bool report = true;  ///< report.html, pictures/ and tables/
  bool tensorboard = false;
  void keys(Keys& keys);
};

/// An experiment file, resolved and checked.
struct Experiment {
  std::string name;  ///< of the run folder; the file's name without .json when absent
  std::string description;
  int64_t seed = 1;
  Precision precision = Precision::fp32;
  DataConfig data;
  std::vector<std::unique_ptr<Stage>> preprocess;
  NetworkSpec network;
  TrainConfig train;
  LogConfig log;
  std::string initialize_from;  ///< weights or run folder; empty: initializers
  Value resolved;  ///< the whole file with extends and --set applied and defaults filled in
};

/// One value for one key of an experiment: "preprocess.noise.sigma", 0.1. The value's origin is
/// where it was written.
struct Setting {
  std::string key;
  Value value;
};

struct ExperimentOptions {
  std::vector<std::string> set;   ///< "train.epochs=5"
  std::vector<Setting> settings;  ///< of another file; applied before set
};

/// Reads FILE (or text given as such, for tests), follows "extends", applies --set, checks every
/// key. Throws Error (experiment) that lists everything found.
Experiment load_experiment(const std::string& file, const ExperimentOptions& options,
                           const Registry& registry);
/// A value of a resolved experiment: "train.epochs", JSON text, "noise.json:12:15".
struct ResolvedLine {
  std::string key, value, origin;
};
std::vector<ResolvedLine> resolved_lines(const Value& resolved);
/// Every value with its origin, one a line: "train.epochs = 100    noise.json:12:15".
std::string describe_origins(const Value& resolved);
/// JSON Schema draft-07 of experiment files.
Value experiment_schema(const Registry& registry);
/// The reference page (Markdown) of all keys: docs/experiment_files.md holds its output.
std::string experiment_reference(const Registry& registry);

}  // namespace engine
