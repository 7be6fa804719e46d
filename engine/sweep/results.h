#pragma once

// A sweep half-way or at its end, as tables and pages show it: what is done, means with intervals,
// differences to the baseline, effects of factors, the matrix. Nothing here reads files.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sweep/record.h"
#include "engine/sweep/statistics.h"
#include "engine/sweep/sweep.h"

namespace engine {

/// A point and, once it ended, how.
struct PointResult {
  size_t point = 0;  ///< index in Sweep::points
  std::optional<Record> record;
  bool running = false;
};

enum class PointState { waiting, running, done, failed, skipped };
PointState state_of(const PointResult& point);
std::string_view state_name(PointState state);  ///< "waiting", "running" ...

struct ConfigurationResult {
  size_t configuration = 0;  ///< index
  std::vector<PointResult> points;
  size_t done = 0, failed = 0;  ///< failed: skipped ones too
  MeanInterval accuracy, loss;  ///< of the test, over the seeds that are done
  MeanInterval validation_accuracy;
  /// Test accuracy minus the baseline's, over the seeds that both have; none for the baseline.
  std::optional<PairedDifference> difference;
  double corrected_p = 0;  ///< after Holm, over all comparisons of the sweep; NaN: none
  double seconds = 0;      ///< mean of a point that is done; NaN: none
};

/// Of one value of one factor: over all configurations and seeds that have it.
struct FactorLevel {
  Value value;
  MeanInterval accuracy;  ///< over configurations x seeds
};
struct FactorEffect {
  std::string key, name;  ///< "preprocess.noise.sigma", "sigma"
  std::vector<FactorLevel> levels;
  size_t best = 0;  ///< index of the level of highest mean accuracy; its count is 0: none yet
};

/// trained[i] x evaluated[j]: mean test accuracy over seeds.
struct TrainedEvaluated {
  std::vector<size_t> configurations;  ///< of the rows, indices
  /// Configurations that preprocess alike share a column; the first of them gives it its name.
  std::vector<std::vector<size_t>> columns;
  std::vector<size_t> own;                        ///< the column of each row's own preprocessing
  std::vector<std::vector<MeanInterval>> cells;   ///< count 0: none yet, or it does not fit
  std::vector<std::vector<std::string>> reasons;  ///< of cells without numbers; empty: none yet
};

struct SweepResults {
  const Sweep* sweep = nullptr;
  std::vector<ConfigurationResult> configurations;  ///< in the sweep's order
  size_t done = 0, failed = 0, running = 0, waiting = 0;
  std::vector<FactorEffect> effects;  ///< one for each key of the grid or of random
  std::optional<TrainedEvaluated> matrix;
  size_t baseline = 0;
  size_t comparisons = 0;  ///< with a p-value: as many as the corrected ones are corrected for
};

/// points: one for each of sweep.points, in order. The sweep must outlive the result. Accuracies
/// that are not finite count as missing. The matrix is there when the sweep asks for it or a record
/// has one; a network under its own preprocessing is its test, if the record does not say.
SweepResults gather_results(const Sweep& sweep, std::vector<PointResult> points, size_t baseline);

/// Test accuracies of the points that are done, in their order; only finite ones.
std::vector<double> test_accuracies(const ConfigurationResult& result);
/// Index of the configuration of the highest mean test accuracy; none: nothing is done yet.
std::optional<size_t> best_configuration(const SweepResults& results);

/// Whether the interval of the difference leaves out 0 and the corrected p is below 0.05.
bool shows_difference(const ConfigurationResult& result);

/// "noise costs 5.1 points of test accuracy (95 % interval 4.6 to 5.6, 10 seeds, p < 0.001)",
/// "smooth makes no difference that 3 seeds can show (-0.2 points of test accuracy, 95 % interval
/// -1.4 to 1.0, p = 0.61)"; "among 9 comparisons" where only the correction takes it away. A point
/// is a hundredth; p is the corrected one. Empty while there is nothing to compare.
std::string difference_sentence(const SweepResults& results, const ConfigurationResult& result);

}  // namespace engine
