#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/named_tensor.h"
#include "engine/core/safetensors.h"
#include "engine/core/step.h"
#include "engine/core/value.h"
#include "engine/run/run_folder.h"

namespace engine {

/// Everything that a resume needs, and nothing that depends on the clock: the same run at the same
/// step gives the same bytes.
struct TrainingState {
  // numbers
  std::vector<NamedTensor> weights;  ///< files' layout, all parameters
  std::vector<NamedTensor> moments;  ///< "m0/<parameter>"
  std::vector<NamedTensor> best;     ///< weights of the best epoch; empty: none yet
  StepState step;  ///< counters, position in the epoch, sums of the epoch under way
  // training
  int64_t epochs_done = 0;
  int64_t best_epoch = 0;        ///< from 1; 0: none yet
  double best_value = 0;         ///< of the monitored figure
  int64_t waited = 0;            ///< epochs since the best
  std::vector<MetricsRow> rows;  ///< of the epochs done; times are not saved
  // what it was trained on, and under which conditions
  std::vector<double> statistics;  ///< measured by preprocessing
  std::vector<std::string> classes;
  std::string name;
  std::string config;  ///< the resolved experiment, one "key = value" a line
  std::string data_fingerprint;
  std::string engine_version, device, isa, libraries;
  int64_t threads = 0;
  int64_t seed = 0;
  Choices choices;  ///< of the device, so far; empty in states of engines that did not know them
};

/// The checkpoints of a run folder:
///   best.safetensors, last.safetensors   weights only, as PyTorch loads them
///   last.state.safetensors               TrainingState; a resume reads only this file
/// and for each the one before as "<file>.prev".
class CheckpointStore {
 public:
  CheckpointStore(FileSystem& files, std::string folder);

  /// Writes best (only if new_best), last, state, in this order: each whole or not at all, so the
  /// state never names what is not there. Refuses values that are not finite (Error (diverged) with
  /// the tensor's name) and a disk that is too full (Error (storage)) before it touches anything.
  void save(const TrainingState& state, bool new_best);

  struct Loaded {
    TrainingState state;
    std::string path;
    std::vector<std::string> damaged;  ///< newer files that were refused, with reasons
  };
  /// The newest state that is whole; nothing when there never was one. Throws Error (storage) when
  /// there are files but none is whole.
  std::optional<Loaded> load() const;

  /// Makes best and last on disk what this state says they are (a crash can leave a newer best, a
  /// disk a damaged one).
  void repair(const TrainingState& state);

  /// Bytes of one save with everything in it.
  static uint64_t bytes(const TrainingState& state);
  void require_space(uint64_t bytes) const;

 private:
  std::string path(std::string_view file) const;
  FileSystem& files_;
  std::string folder_;
};

/// Metadata of a weights file: what predicting needs besides the experiment.
Metadata weights_metadata(const TrainingState& state, int64_t epoch);

/// A weights file, ours or another program's.
struct SavedWeights {
  std::vector<NamedTensor> parameters;
  std::vector<double> statistics;    ///< empty in files of other programs
  std::vector<std::string> classes;  ///< the same
  int64_t epoch = 0;
  Metadata metadata;  ///< all of it
};
/// Throws Error (data).
SavedWeights read_weights(const std::string& path);

/// The resolved experiment as TrainingState::config holds it.
std::string flat_config(const Value& resolved);

/// What resuming a state under other conditions means.
struct ResumeCheck {
  enum class Verdict { identical, continues, refused };
  struct Change {
    std::string what, before, after;
    Verdict verdict;
    std::string why;
  };
  std::vector<Change> changes;  ///< empty: nothing changed
  Verdict verdict() const;      ///< the worst
};
std::string to_string(const ResumeCheck::Change& change);

/// Compares a saved state with the conditions of this process (a state whose conditions are filled
/// in).
ResumeCheck check_resume(const TrainingState& saved, const TrainingState& now);

/// Adds choices to saved ones, and tells which of these they replace.
ResumeCheck adopt_choices(Choices& saved, const Choices& now);

}  // namespace engine
