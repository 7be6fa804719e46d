#include "engine/sweep/table/figure_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace engine::sweep_figures {

Axis accuracy_axis(const std::vector<double>& values, const std::vector<MeanInterval>& intervals,
                   double from, double to) {
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) low = std::min(low, value), high = std::max(high, value);
  if (!(low <= high)) low = 0, high = 1;
  const double room = std::max(high - low, 0.002);
  double lowest = low, highest = high;
  for (const MeanInterval& each : intervals) {
    if (std::isfinite(each.low)) lowest = std::min(lowest, std::max(each.low, low - room));
    if (std::isfinite(each.high)) highest = std::max(highest, std::min(each.high, high + room));
  }
  const double rim = 0.04 * std::max(highest - lowest, 0.01);
  lowest = std::clamp(lowest - rim, 0.0, 0.99);
  highest = std::clamp(highest + rim, lowest + 0.001, 1.0);
  return {lowest, highest, from, to};
}

void draw_accuracy_grid(InlineFigure& figure, const Axis& x, double top, double bottom) {
  for (const double value : x.ticks(5)) {
    const double at = x(value);
    figure.line({at, top}, {at, bottom}, ink::kGrid);
    figure.text({at, top - 6}, short_number(100 * value) + " %",
                {.color = ink::kMuted,
                 .anchor = at < 5    ? "start"
                           : at > 95 ? "end"
                                     : "middle"});
  }
}

void draw_mean(InlineFigure& figure, const Axis& x, double y, const MeanInterval& mean,
               std::string_view color, std::string_view tooltip) {
  if (mean.count == 0) return;
  if (std::isfinite(mean.low)) {
    const double low = std::max(mean.low, x.low()), high = std::min(mean.high, x.high());
    figure.line({x(low), y}, {x(high), y}, color, 2);
    if (low == mean.low) figure.line({x(low), y - 5}, {x(low), y + 5}, color, 2);
    if (high == mean.high) figure.line({x(high), y - 5}, {x(high), y + 5}, color, 2);
  }
  figure.mark({x(mean.mean), y}, 5.5, color, tooltip);
}

LevelScale::LevelScale(const FactorEffect& effect) {
  const size_t count = effect.levels.size();
  double low = INFINITY, high = -INFINITY;
  bool numbers = true;
  for (const FactorLevel& level : effect.levels) {
    texts_.push_back(to_json(level.value, -1));
    numbers = numbers && level.value.is_number() && std::isfinite(level.value.number());
    if (!numbers) continue;
    low = std::min(low, level.value.number());
    high = std::max(high, level.value.number());
  }
  by_size_ = numbers && count > kMostLevels && high > low;
  logarithmic_ = by_size_ && low > 0 && high / low > 50;
  for (size_t i = 0; i < count; ++i) {
    if (!by_size_) {
      places_.push_back(count == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(count - 1));
      continue;
    }
    const double value = effect.levels[i].value.number();
    places_.push_back(logarithmic_ ? std::log(value / low) / std::log(high / low)
                                   : (value - low) / (high - low));
  }
}

size_t LevelScale::index_of(const Value& value) const {
  return static_cast<size_t>(std::find(texts_.begin(), texts_.end(), to_json(value, -1)) -
                             texts_.begin());
}

std::vector<size_t> levels_of(const SweepResults& results, const std::vector<LevelScale>& scales,
                              size_t configuration) {
  std::vector<size_t> levels;
  for (size_t i = 0; i < scales.size(); ++i) {
    levels.push_back(results.effects[i].levels.size());
    for (const Setting& setting : results.sweep->configurations[configuration].factors) {
      if (setting.key == results.effects[i].key) levels.back() = scales[i].index_of(setting.value);
    }
  }
  return levels;
}

}  // namespace engine::sweep_figures
