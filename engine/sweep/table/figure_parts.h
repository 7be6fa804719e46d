#pragma once

// What figures of sweeps share: axes of accuracies, places of a factor's levels.

#include <string>
#include <vector>

#include "engine/sweep/results.h"
#include "engine/sweep/table/inline_figure.h"

namespace engine::sweep_figures {

constexpr size_t kMostRows = 40;    ///< configurations of the figure of accuracies
constexpr size_t kMostLevels = 12;  ///< of a factor that has a row for each
constexpr size_t kMostCells = 30;   ///< rows or columns of a heat map

/// From values seen to an axis that holds all of them and of the intervals what is not farther out
/// than the values are apart: intervals of two seeds may be many times as long. In shares of 1,
/// which it does not leave. from, to: where both ends are drawn.
Axis accuracy_axis(const std::vector<double>& values, const std::vector<MeanInterval>& intervals,
                   double from, double to);

/// Vertical lines of an axis with their labels above, in percents, from top to bottom.
void draw_accuracy_grid(InlineFigure& figure, const Axis& x, double top, double bottom);

/// A mean with its interval on a row, cut where the axis ends.
void draw_mean(InlineFigure& figure, const Axis& x, double y, const MeanInterval& mean,
               std::string_view color, std::string_view tooltip);

/// Where a factor's levels lie, from 0 to 1: numbers by size (by their logarithm where they span
/// much), if there are many of them; else side by side.
class LevelScale {
 public:
  explicit LevelScale(const FactorEffect& effect);
  double place(size_t level) const { return places_[level]; }
  /// Index of a value; effect.levels.size(): not there.
  size_t index_of(const Value& value) const;
  bool by_size() const { return by_size_; }
  bool logarithmic() const { return logarithmic_; }

 private:
  std::vector<double> places_;
  std::vector<std::string> texts_;
  bool by_size_ = false, logarithmic_ = false;
};

/// The level of each factor that a configuration has; levels.size() where it has none.
std::vector<size_t> levels_of(const SweepResults& results, const std::vector<LevelScale>& scales,
                              size_t configuration);

}  // namespace engine::sweep_figures
