#pragma once

// One `engine run`, step by step. Private to trainer.cpp.

#include <chrono>
#include <memory>
#include <optional>

#include "engine/run/checkpoint.h"
#include "engine/run/epoch_timer.h"
#include "engine/run/observer.h"
#include "engine/run/run_documents.h"
#include "engine/run/run_folder.h"
#include "engine/run/signals.h"
#include "engine/run/trainer.h"

namespace engine {

class Training {
 public:
  Training(const Experiment& experiment, const Registry& registry, Device& device,
           const RunOptions& options, Progress& progress);
  RunResult run();
  /// Writes status.json as far as the run has got; a failure to do so is only a warning.
  void write_status(std::string_view state, const std::string& reason, int exit_code) noexcept;

 private:
  void load_data(const std::optional<CheckpointStore::Loaded>& saved);
  void make_executor();
  TrainingState conditions(std::string fingerprint) const;
  void start();
  void resume(CheckpointStore::Loaded saved);
  void begin_folder();
  void say(const ResumeCheck& check);

  bool done() const;   ///< no epoch is left, or early stopping says so
  bool train_epoch();  ///< false: stopped by a signal
  void begin_epoch(uint32_t epoch);
  int64_t chunk(uint64_t step, double seconds_per_step) const;
  bool checkpoint_due(uint64_t step) const;
  void report_step(const StepState& step, const EpochTimer& timer);
  void finish_epoch(const EpochTimer& timer);
  bool judge(const MetricsRow& row);  ///< true: the best so far
  [[noreturn]] void diverged(const std::string& where);

  /// Calls each observer with what it is to see. What one throws is a warning, unless the device is
  /// lost.
  template <class Call>
  void tell(const Call& call);

  void collect();       ///< executor -> state_
  void note_choices();  ///< device -> state_; says which are not those of before
  void save(bool new_best);
  void save_metrics();
  void evaluate_test();
  double rate(uint64_t step) const;
  RunResult result(ExitCode code) const;

  const Experiment& experiment_;
  const Registry& registry_;
  Device& device_;
  const RunOptions& options_;
  Progress& progress_;
  FileSystem& files_;
  StopSignals signals_;
  RunFolder folder_;
  CheckpointStore store_;

  std::vector<std::string> classes_;
  Shape image_;
  Split split_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<PreparedSet> train_, validation_;
  std::unique_ptr<Executor> executor_;
  TrainingState state_;
  std::string fingerprint_;
  int64_t steps_per_epoch_ = 0;
  bool mid_epoch_ = false;  ///< state_.step is a place inside the next epoch
  bool begun_ = false;
  double evaluation_seconds_ = 0;  ///< of the last validation, for the run's remaining time
  size_t memory_bytes_ = 0;        ///< planned and resident; known after the first validation
  std::chrono::steady_clock::time_point last_save_ = std::chrono::steady_clock::now();
  Totals test_;
  bool finished_ = false;
};

template <class Call>
void Training::tell(const Call& call) {
  for (RunObserver* observer : options_.observers) {
    try {
      call(*observer, RunView{.experiment = experiment_,
                              .registry = registry_,
                              .device = device_,
                              .environment = options_.environment,
                              .folder = folder_.path(),
                              .classes = classes_,
                              .image = image_,
                              .pipeline = *pipeline_,
                              .executor = executor_.get(),
                              .rows = state_.rows,
                              .best_epoch = state_.best_epoch});
    } catch (const Error& error) {
      if (error.code() == ExitCode::device) throw;
      progress_.warning(error.what());
    } catch (const std::exception& error) {
      progress_.warning(error.what());
    }
  }
}

}  // namespace engine
