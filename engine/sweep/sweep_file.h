#pragma once

// A sweep file: which experiments to run, how often, and where. docs/sweeps.md is its user's guide.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/keys.h"
#include "engine/core/problems.h"
#include "engine/core/value.h"
#include "engine/run/experiment.h"

namespace engine {

/// A key of the grid with all its values.
struct Factor {
  std::string key;
  std::vector<Value> values;
  Origin origin;
};

/// A key that each draw gives another value.
struct RandomParameter {
  enum class Kind { uniform, log_uniform, integer, choice };
  std::string key;
  Kind kind = Kind::uniform;
  double low = 0, high = 0;    ///< both included; of choice: none
  std::vector<Value> choices;  ///< of choice
  Origin origin;
};

/// A named experiment of a sweep.
struct PointSpec {
  std::string name;
  std::string extends;  ///< an experiment file, relative to the sweep file; empty: the sweep's base
  std::string after;    ///< the point whose best weights it starts from; empty: none
  std::vector<Setting> set;
  Origin origin, after_origin;
};

struct SlurmConfig {
  std::string partition, account, qos, constraint, gres, mem, time;
  int64_t cpus_per_task = 0;         ///< 0: the cluster's default
  int64_t array_limit = 0;           ///< tasks of an array at a time; 0: no limit
  int64_t points_per_task = 1;       ///< points that one task of the array does
  int64_t signal_seconds = 120;      ///< so long before the time limit the run is told to stop
  int64_t requeues = 20;             ///< so often a task that was stopped puts itself back
  std::vector<std::string> options;  ///< further lines behind "#SBATCH "
  std::vector<std::string> setup;    ///< shell lines before the run: modules, containers
  void keys(Keys& keys);
};

/// A sweep file as it stands, every key checked; the experiments are not read yet.
struct SweepFile {
  enum class OnFailure { keep_going, stop };
  std::string path;  ///< as the user gave it
  std::string name, description;
  std::string base;          ///< as written: relative to the sweep file
  std::vector<Setting> set;  ///< for all points
  std::vector<Factor> grid;
  int64_t random_count = 0;
  int64_t random_seed = 1;
  std::vector<RandomParameter> random;
  std::vector<PointSpec> points;
  std::vector<int64_t> seeds;  ///< empty: the experiment's own
  int64_t max_points = 500;
  int64_t concurrency = 1;  ///< points at a time where --jobs does not say
  OnFailure on_failure = OnFailure::keep_going;
  double time_limit = 0;  ///< seconds that a point may run; 0: no limit
  int64_t attempts = 5;  ///< a point whose process dies so often without getting further has failed
  std::string
      baseline;  ///< name of the configuration that others are compared with; empty: the first
  bool matrix = false;  ///< evaluate each network under each configuration's preprocessing
  SlurmConfig slurm;
};

/// Reads and checks a sweep file. Throws Error (experiment) with everything that is wrong with it.
SweepFile load_sweep_file(const std::string& path);

/// A path in the sweep file, from the working folder on.
std::string beside(const SweepFile& file, std::string_view path);

/// JSON Schema draft-07 of sweep files.
Value sweep_schema();
/// The reference page (Markdown) of all keys.
std::string sweep_reference();

}  // namespace engine
