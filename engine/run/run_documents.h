#pragma once

// The JSON files of a run folder.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/core/file.h"
#include "engine/core/value.h"
#include "engine/graph/executor.h"
#include "engine/run/trainer.h"

namespace engine {

std::string utc_now();  ///< "2026-11-26T18:00:00Z"

/// What the numbers may depend on besides the experiment, by names.
Value environment_value(const Environment& environment);
/// environment.json.
std::string environment_json(const Environment& environment);

/// status.json.
struct Status {
  std::string_view state;         ///< "running", "finished", "stopped", "failed", "imported"
  std::string reason;             ///< why it stopped or failed
  std::string gpu;                ///< its UUID; empty on the CPU
  int64_t epoch = 0, epochs = 0;  ///< done, asked for
  uint64_t step = 0;
  int exit_code = -1;  ///< -1: still running
};
std::string status_json(const Status& status);

/// Counts of (label, prediction), and what follows from them.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(size_t classes) : classes_(classes), counts_(classes * classes, 0) {}
  /// One row of logits a label; the prediction is the first of the largest.
  void add(std::span<const float> logits, std::span<const int32_t> labels);

  int64_t at(size_t label, size_t prediction) const {
    return counts_[label * classes_ + prediction];
  }
  int64_t support(size_t label) const;
  int64_t predicted(size_t prediction) const;
  double precision(size_t label) const;  ///< 0 when never predicted
  double recall(size_t label) const;     ///< 0 when the class has no samples
  double f1(size_t label) const;
  size_t classes() const { return classes_; }

 private:
  size_t classes_;
  std::vector<int64_t> counts_;
};

/// results.json.
struct Results {
  Totals test;
  int64_t epochs = 0, best_epoch = 0, tested_epoch = 0;
  bool stopped_early = false;
  double best_validation_loss = 0, best_validation_accuracy = 0;  ///< NaN without validation images
  std::vector<std::string> classes;
};
std::string results_json(const Results& results, const ConfusionMatrix& confusion);

// Parts of it, which the report shows too.
Value number_or_null(double value);  ///< null: not finite
Array confusion_rows(const ConfusionMatrix& confusion);
Array class_figures(const ConfusionMatrix& confusion, const std::vector<std::string>& classes);

}  // namespace engine
