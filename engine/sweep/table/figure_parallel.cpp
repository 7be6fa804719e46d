// Configurations of three factors or more as lines through an axis for each factor.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/sweep/table/figure_parts.h"
#include "engine/sweep/table/table.h"
#include "engine/sweep/table/words.h"

namespace engine {
namespace {

using namespace sweep_figures;
using namespace sweep_words;

constexpr double kTop = 44, kBottom = 320, kHeight = 340;
constexpr double kSpacing = 132, kLeft = 20, kLabel = 100;

/// A configuration's line: its level on each axis, its mean on the last.
struct Path {
  std::vector<double> y;
  double mean = 0;
  std::string tooltip;
};

double axis_x(size_t axis) {
  return kLeft + kSpacing * static_cast<double>(axis);
}

double level_y(double place) {
  return kBottom - place * (kBottom - kTop - 12);
}

std::vector<Path> paths_of(const SweepResults& results, const std::vector<LevelScale>& scales,
                           const Axis& accuracies) {
  std::vector<Path> paths;
  for (const ConfigurationResult& result : results.configurations) {
    if (result.accuracy.count == 0) continue;
    Path path;
    path.mean = result.accuracy.mean;
    path.tooltip = fmt::format("{}: {}", results.sweep->configurations[result.configuration].name,
                               mean_with_interval(result.accuracy));
    const std::vector<size_t> levels = levels_of(results, scales, result.configuration);
    bool whole = true;
    for (size_t i = 0; i < scales.size(); ++i) {
      whole = whole && levels[i] < results.effects[i].levels.size();
      if (whole) path.y.push_back(level_y(scales[i].place(levels[i])));
    }
    path.y.push_back(accuracies(path.mean));
    if (whole) paths.push_back(std::move(path));
  }
  std::stable_sort(paths.begin(), paths.end(),
                   [](const Path& a, const Path& b) { return a.mean < b.mean; });
  return paths;
}

void draw_factor_axis(InlineFigure& figure, size_t axis, const FactorEffect& effect,
                      const LevelScale& scale) {
  const double x = axis_x(axis);
  figure.text({x - 6, 20}, effect.name, {.size = 13, .bold = true, .width = kSpacing - 14});
  figure.line({x, kTop}, {x, kBottom + 6}, ink::kMuted);
  const size_t last = effect.levels.size() - 1;
  for (size_t i = 0; i <= last; ++i) {
    // Of many levels only both ends: labels would lie on each other.
    if (effect.levels.size() > kMostLevels && i != 0 && i != last) continue;
    const Value& value = effect.levels[i].value;
    const double y = level_y(scale.place(i));
    figure.line({x - 4, y}, {x + 4, y}, ink::kMuted);
    figure.text({x + 7, y + 4},
                value.is(Value::Kind::number) ? short_number(value.number()) : level(value),
                {.width = kLabel}, true);
  }
}

void draw_accuracy_axis(InlineFigure& figure, double x, const Axis& accuracies) {
  figure.text({x - 6, 20}, "test accuracy", {.size = 13, .bold = true});
  figure.line({x, kTop}, {x, kBottom + 6}, ink::kMuted);
  for (const double value : accuracies.ticks(7)) {
    figure.line({x - 4, accuracies(value)}, {x + 4, accuracies(value)}, ink::kMuted);
    figure.text({x + 9, accuracies(value) + 4}, short_number(100 * value) + " %",
                {.color = ink::kMuted}, true);
  }
}

}  // namespace

std::string parallel_figure(const SweepResults& results) {
  if (results.effects.size() < 3) return {};
  std::vector<LevelScale> scales;
  for (const FactorEffect& effect : results.effects) scales.emplace_back(effect);
  std::vector<double> means;
  for (const ConfigurationResult& result : results.configurations) {
    if (result.accuracy.count) means.push_back(result.accuracy.mean);
  }
  const Axis accuracies = accuracy_axis(means, {}, kBottom, kTop + 12);
  const std::vector<Path> paths = paths_of(results, scales, accuracies);
  if (paths.empty()) return {};
  const double width = axis_x(scales.size()) + 110;
  InlineFigure figure(
      Across::pixels, width, kHeight,
      fmt::format("{} as lines through an axis for each of {} factors and one for the mean test "
                  "accuracy. The best tenth is orange.",
                  counted(paths.size(), "configuration"), scales.size()));
  const double thin = paths.size() > 100 ? 0.4 : 1;  // so that the most do not make a surface
  const size_t best = std::max<size_t>(1, paths.size() / 10);
  for (size_t i = 0; i < paths.size(); ++i) {
    const Path& path = paths[i];
    const bool highlighted = i + best >= paths.size();
    for (size_t axis = 1; axis < path.y.size(); ++axis) {
      figure.line({axis_x(axis - 1), path.y[axis - 1]}, {axis_x(axis), path.y[axis]},
                  highlighted ? ink::kOrange : ink::kBlue, (highlighted ? 2 : 0.75) * thin);
    }
    figure.dot({axis_x(scales.size()), path.y.back()}, 3.5, highlighted ? ink::kOrange : ink::kBlue,
               path.tooltip);
  }
  for (size_t i = 0; i < scales.size(); ++i) {
    draw_factor_axis(figure, i, results.effects[i], scales[i]);
  }
  draw_accuracy_axis(figure, axis_x(scales.size()), accuracies);
  return std::move(figure).finish();
}

}  // namespace engine
