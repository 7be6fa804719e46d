#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/run/experiment.h"
#include "engine/run/run_documents.h"
#include "engine/run/run_folder.h"

namespace engine {

/// A run at one moment. References hold during the call only.
struct RunView {
  const Experiment& experiment;
  const Registry& registry;
  Device& device;
  const Environment& environment;
  const std::string& folder;
  const std::vector<std::string>& classes;
  Shape image;  ///< as the source gives it, n = 1
  Pipeline& pipeline;
  Executor* executor;                   ///< null in loaded()
  const std::vector<MetricsRow>& rows;  ///< of all epochs done
  int64_t best_epoch = 0;               ///< from 1; 0: none yet
};

/// What the test found.
struct TestView {
  const Results& results;
  const ConfusionMatrix& confusion;
  std::span<const float> logits;  ///< [samples][classes]
  const ImageSet& images;
  const PreparedSet& training;  ///< to time nodes with; the weights are those that were tested
};

/// Watches a run: a report, a log for other programs. Called between steps, on the run's thread.
/// What it throws is shown as a warning and ends nothing, but for Error (device): then the device
/// is lost for the run too.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  /// The images are split and the pipeline has measured; training pixels go after this call.
  virtual void loaded(const RunView& run, const Split& split) = 0;
  virtual void tested(const RunView& run, const TestView& test) = 0;
  /// After status.json was written: at the start, after each epoch and at the end, however it
  /// comes.
  virtual void noted(const RunView& run, const Status& status, FileSystem& files) = 0;
};

}  // namespace engine
