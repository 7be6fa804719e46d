#pragma once

// A sweep half-way or at its end, as tables and pages show it: what is done, means with intervals,
// differences to the baseline, effects of factors, the matrix. Nothing here reads files.

#include <optional>
#include <string>
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

struct ConfigurationResult {
  size_t configuration = 0;  ///< index
  std::vector<PointResult> points;
  size_t done = 0, failed = 0;  ///< failed: skipped ones too
  MeanInterval accuracy, loss;  ///< of the test, over the seeds that are done
  MeanInterval validation_accuracy;
  /// Test accuracy minus the baseline's, over the seeds that both have; none for the baseline.
  std::optional<PairedDifference> difference;
  double corrected_p = 0;  ///< after Holm, over all comparisons of the sweep; NaN: none
  double seconds = 0;      ///< mean of a point
};

/// Of one value of one factor: over all configurations and seeds that have it.
struct FactorLevel {
  Value value;
  MeanInterval accuracy;  ///< over configurations x seeds
};
struct FactorEffect {
  std::string key, name;  ///< "preprocess.noise.sigma", "sigma"
  std::vector<FactorLevel> levels;
  size_t best = 0;  ///< index of the level of highest mean accuracy
};

/// trained[i] x evaluated[j]: mean test accuracy over seeds.
struct TrainedEvaluated {
  std::vector<size_t> configurations;            ///< of both rows and columns, indices
  std::vector<std::vector<MeanInterval>> cells;  ///< count 0: none yet, or it does not fit
};

struct SweepResults {
  const Sweep* sweep = nullptr;
  std::vector<ConfigurationResult> configurations;  ///< in the sweep's order
  size_t done = 0, failed = 0, running = 0, waiting = 0;
  std::vector<FactorEffect> effects;  ///< one for each key of the grid or of random
  std::optional<TrainedEvaluated> matrix;
  size_t baseline = 0;
};

/// points: one for each of sweep.points, in order. The sweep must outlive the result.
SweepResults gather_results(const Sweep& sweep, std::vector<PointResult> points, size_t baseline);

/// "noise costs 5.1 points of accuracy (95 % interval 4.6 to 5.6, 10 seeds, p < 0.001)", "smooth
/// makes no difference that 3 seeds can show (-0.2 points, 95 % interval -1.4 to 1.0)". Empty
/// while there is nothing to compare.
std::string difference_sentence(const SweepResults& results, const ConfigurationResult& result);

}  // namespace engine
