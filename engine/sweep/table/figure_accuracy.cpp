// Accuracies of configurations and of factors' levels, in rows below each other.

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

constexpr double kLeft = 1.5, kRight = 98.5;             // of the axis, in percents
constexpr double kHead = 24, kRow = 44;                  // height of the axis' labels, of a row
constexpr double kMean = 25, kSeeds = 36;                // of a row: where mean and seeds lie
constexpr double kNumber = 60;                           // pixels of a row's mean
constexpr double kName = InlineFigure::kWide - kNumber;  // that a row's name may take
constexpr double kFactorHead = 52;  // height of a factor's name and its axis' labels
constexpr double kPanel = 190;      // height of a factor of many levels

/// A row's name on the left, its mean on the right; the strip is below.
void draw_name(InlineFigure& figure, double top, std::string_view name, const MeanInterval& mean,
               bool bold) {
  figure.text({0, top + 15}, name, {.size = 13, .bold = bold, .width = kName});
  figure.text({100, top + 15}, mean.count ? share(mean.mean, 1) : "none yet",
              {.size = 13, .color = ink::kMuted, .anchor = "end"});
}

void draw_seeds(InlineFigure& figure, const Axis& x, double y, const SweepResults& results,
                const ConfigurationResult& result) {
  for (const PointResult& point : result.points) {
    if (state_of(point) != PointState::done) continue;
    const double accuracy = point.record->test_accuracy;
    if (!std::isfinite(accuracy)) continue;
    figure.dot({x(accuracy), y}, 3.5, ink::kBlue,
               fmt::format("seed {}: {}", results.sweep->points[point.point].seed, share(accuracy)),
               0.55);
  }
}

/// What the longest of the names needs, with the mean on its right.
double least_width(const std::vector<std::string>& names) {
  double width = 0;
  for (const std::string& name : names) width = std::max(width, text_width(name, 13) + kNumber);
  return width;
}

std::string level_name(const FactorEffect& effect, size_t index) {
  const bool best = index == effect.best && effect.levels[index].accuracy.count > 0;
  return fmt::format("{} = {}{}", effect.name, level(effect.levels[index].value),
                     best ? " (best)" : "");
}

/// A level a row, joined by lines; returns where the next factor begins.
double draw_levels(InlineFigure& figure, const Axis& x, double top, const FactorEffect& effect) {
  Point before{NAN, NAN};
  for (size_t i = 0; i < effect.levels.size() && i < kMostLevels; ++i, top += kRow) {
    const MeanInterval& mean = effect.levels[i].accuracy;
    const Point place{x(mean.mean), top + kMean};
    figure.line(before, place, ink::kBlue, 1, "3 3");
    before = place;
  }
  top -= kRow * static_cast<double>(std::min(effect.levels.size(), kMostLevels));
  for (size_t i = 0; i < effect.levels.size() && i < kMostLevels; ++i, top += kRow) {
    const FactorLevel& each = effect.levels[i];
    const bool best = i == effect.best && each.accuracy.count > 0;
    const std::string name = level_name(effect, i);
    draw_name(figure, top, name, each.accuracy, best);
    draw_mean(figure, x, top + kMean, each.accuracy, best ? ink::kOrange : ink::kBlue,
              fmt::format("{}: {}", name, mean_with_interval(each.accuracy, "run")));
  }
  return top;
}

/// A dot a level, by the level's size from left to right and its accuracy upwards.
double draw_scatter(InlineFigure& figure, double top, const FactorEffect& effect,
                    const LevelScale& scale, const Axis& accuracies) {
  const Axis y(accuracies.low(), accuracies.high(), top + kPanel - 26, top + 8);
  for (const double value : y.ticks(5)) {
    figure.line({0, y(value)}, {100, y(value)}, ink::kGrid);
    figure.text({0, y(value) - 3}, short_number(100 * value) + " %",
                {.size = 11, .color = ink::kMuted});
  }
  const auto x = [](double place) { return 12 + 85 * place; };
  for (size_t i = 0; i < effect.levels.size(); ++i) {
    const FactorLevel& each = effect.levels[i];
    if (each.accuracy.count == 0) continue;
    const bool best = i == effect.best;
    figure.dot({x(scale.place(i)), y(each.accuracy.mean)}, best ? 5 : 3.5,
               best ? ink::kOrange : ink::kBlue,
               fmt::format("{}: {}", level(each.value), mean_with_interval(each.accuracy, "run")),
               best ? 1 : 0.6);
  }
  const double words = top + kPanel - 8;
  const auto end = [&](const FactorLevel& each, double at, std::string_view anchor) {
    figure.text({at, words}, short_number(each.value.number()),
                {.color = ink::kMuted, .anchor = anchor});
  };
  end(effect.levels.front(), x(0), "middle");
  end(effect.levels.back(), x(1), "end");
  figure.text({55, words}, scale.logarithmic() ? "logarithmic" : "linear",
              {.color = ink::kMuted, .anchor = "middle"});
  return top + kPanel;
}

std::vector<MeanInterval> level_means(const SweepResults& results) {
  std::vector<MeanInterval> means;
  for (const FactorEffect& effect : results.effects) {
    for (const FactorLevel& level : effect.levels) {
      if (level.accuracy.count) means.push_back(level.accuracy);
    }
  }
  return means;
}

double effects_height(const std::vector<FactorEffect>& effects,
                      const std::vector<LevelScale>& scales) {
  double height = 0;
  for (size_t i = 0; i < effects.size(); ++i) {
    const size_t rows = std::min(effects[i].levels.size(), kMostLevels);
    height += kFactorHead + (scales[i].by_size() ? kPanel : kRow * static_cast<double>(rows));
  }
  return height;
}

}  // namespace

std::string accuracy_figure(const SweepResults& results) {
  if (results.done == 0) return {};
  std::vector<size_t> shown = listed(results);
  if (shown.size() > kMostRows) shown.resize(kMostRows);
  std::vector<double> values;
  std::vector<MeanInterval> means;
  for (const size_t index : shown) {
    const ConfigurationResult& result = results.configurations[index];
    const std::vector<double> own = test_accuracies(result);
    values.insert(values.end(), own.begin(), own.end());
    means.push_back(result.accuracy);
  }
  if (values.empty()) return {};
  const Axis x = accuracy_axis(values, means, kLeft, kRight);
  const double height = kHead + kRow * static_cast<double>(shown.size()) + 4;
  std::vector<std::string> names;
  for (const size_t index : shown) names.push_back(results.sweep->configurations[index].name);
  InlineFigure figure(
      Across::percents, least_width(names), height,
      fmt::format("Test accuracy of {}: each seed, the mean and its 95 % interval. The numbers are "
                  "in the table.",
                  counted(shown.size(), "configuration")));
  draw_accuracy_grid(figure, x, kHead - 4, height);
  const double baseline = results.configurations[results.baseline].accuracy.mean;
  if (shown.size() > 1 && baseline >= x.low() && baseline <= x.high()) {
    figure.line({x(baseline), kHead - 4}, {x(baseline), height}, ink::kMuted, 1, "2 3");
  }
  double top = kHead;
  for (const size_t index : shown) {
    const ConfigurationResult& result = results.configurations[index];
    const std::string& name = results.sweep->configurations[index].name;
    draw_name(figure, top, name, result.accuracy, index == results.baseline);
    draw_mean(figure, x, top + kMean, result.accuracy, ink::kOrange,
              fmt::format("{}: {}", name, mean_with_interval(result.accuracy)));
    draw_seeds(figure, x, top + kSeeds, results, result);
    top += kRow;
  }
  return std::move(figure).finish();
}

std::string effects_figure(const SweepResults& results) {
  const std::vector<MeanInterval> means = level_means(results);
  if (means.empty()) return {};
  std::vector<double> values;
  for (const MeanInterval& mean : means) values.push_back(mean.mean);
  const Axis x = accuracy_axis(values, means, kLeft, kRight);
  std::vector<LevelScale> scales;
  for (const FactorEffect& effect : results.effects) scales.emplace_back(effect);
  const double height = effects_height(results.effects, scales);
  std::vector<std::string> names;
  for (const FactorEffect& effect : results.effects) {
    for (size_t i = 0; i < std::min(effect.levels.size(), kMostLevels); ++i) {
      names.push_back(level_name(effect, i));
    }
  }
  InlineFigure figure(Across::percents, least_width(names), height,
                      fmt::format("Mean test accuracy by level of {}, with 95 % intervals. The "
                                  "numbers are in the table.",
                                  counted(results.effects.size(), "factor")));
  double top = 0;
  for (size_t i = 0; i < results.effects.size(); ++i) {
    const FactorEffect& effect = results.effects[i];
    figure.text({0, top + 18}, effect.name, {.size = 14, .bold = true, .width = kName});
    if (scales[i].by_size()) {
      top = draw_scatter(figure, top + kFactorHead, effect, scales[i], x);
      continue;
    }
    top += kFactorHead - 6;
    const size_t rows = std::min(effect.levels.size(), kMostLevels);
    draw_accuracy_grid(figure, x, top, top + kRow * static_cast<double>(rows));
    top = draw_levels(figure, x, top, effect) + 6;
  }
  return std::move(figure).finish();
}

}  // namespace engine
