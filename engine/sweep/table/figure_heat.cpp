// Means of two factors, and of networks trained on one configuration and evaluated on another.

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

constexpr double kLabel = 12, kLongestLabel = 150, kLineHeight = 15;

struct HeatCell {
  MeanInterval mean;
  std::string reason;  ///< why there is none
};

struct HeatGrid {
  std::string rows_title, columns_title, label;
  std::vector<std::string> rows, columns;
  std::vector<std::vector<HeatCell>> cells;
};

double widest(const std::vector<std::string>& texts) {
  double width = 30;
  for (const std::string& text : texts) width = std::max(width, text_width(text, kLabel) + 4);
  return std::min(width, kLongestLabel);
}

/// Sizes of a grid of cells that hold two lines, one or none, whatever there is room for.
struct GridPlaces {
  explicit GridPlaces(const HeatGrid& grid) {
    const size_t most = std::max(grid.rows.size(), grid.columns.size());
    width = most <= 8 ? 86 : most <= 16 ? 46 : 30;
    height = most <= 8 ? 40 : 26;
    const double columns_label = widest(grid.columns);
    slanting = columns_label > width - 4;
    left = widest(grid.rows) + 30;
    head = 22 + (slanting ? columns_label * 0.71 + 14 : kLineHeight + 4);
    figure_width = left + width * static_cast<double>(grid.columns.size()) +
                   (slanting ? columns_label * 0.71 : 4);
    figure_width = std::max(figure_width, left + text_width(grid.columns_title, 13));
    figure_height = head + height * static_cast<double>(grid.rows.size()) + 40;
  }
  bool slanting = false;
  double width = 0, height = 0, left = 0, head = 0, figure_width = 0, figure_height = 0;
};

void draw_labels(InlineFigure& figure, const HeatGrid& grid, const GridPlaces& at) {
  figure.text({at.left, 14}, grid.columns_title, {.size = 13, .bold = true});
  const double middle = at.head + at.height * static_cast<double>(grid.rows.size()) / 2;
  figure.text({14, middle}, grid.rows_title,
              {.size = 13,
               .anchor = "middle",
               .bold = true,
               .turn = -90,
               .width = std::max(60.0, 2 * (at.figure_height - middle) - 16)});
  for (size_t i = 0; i < grid.rows.size(); ++i) {
    const double y = at.head + at.height * (static_cast<double>(i) + 0.5);
    figure.text({at.left - 8, y + kLabel * 0.35}, grid.rows[i],
                {.size = kLabel, .anchor = "end", .width = kLongestLabel});
  }
  for (size_t i = 0; i < grid.columns.size(); ++i) {
    const double x = at.left + at.width * (static_cast<double>(i) + 0.5);
    figure.text({x, at.head - 7}, grid.columns[i],
                {.size = kLabel,
                 .anchor = at.slanting ? "start" : "middle",
                 .turn = at.slanting ? -45.0 : 0.0,
                 .width = kLongestLabel});
  }
}

/// From the colour of the lowest mean to that of the highest.
void draw_scale(InlineFigure& figure, const GridPlaces& at, double low, double high) {
  const double y = at.figure_height - 24;
  double x = at.left;
  figure.text({x, y + 11}, share(low, 1), {.size = 11, .color = ink::kMuted});
  x += text_width(share(low, 1), 11) + 6;
  constexpr int kSteps = 12;
  for (int i = 0; i < kSteps; ++i) {
    figure.cell({x + 7.0 * i, y}, 7.5, 12, (i + 0.5) / kSteps, "", "", "");
  }
  figure.text({x + 7 * kSteps + 8, y + 11}, share(high, 1), {.size = 11, .color = ink::kMuted});
}

std::string heat_grid(const HeatGrid& grid) {
  double low = INFINITY, high = -INFINITY;
  for (const auto& row : grid.cells) {
    for (const HeatCell& cell : row) {
      if (cell.mean.count == 0) continue;
      low = std::min(low, cell.mean.mean);
      high = std::max(high, cell.mean.mean);
    }
  }
  if (!(low <= high)) return {};
  const GridPlaces at(grid);
  InlineFigure figure(Across::pixels, at.figure_width, at.figure_height, grid.label);
  draw_labels(figure, grid, at);
  for (size_t i = 0; i < grid.rows.size(); ++i) {
    for (size_t j = 0; j < grid.columns.size(); ++j) {
      const HeatCell& cell = grid.cells[i][j];
      const bool has = cell.mean.count > 0;
      const double heat = !has ? NAN : high > low ? (cell.mean.mean - low) / (high - low) : 0.5;
      const std::string first = !has             ? ""
                                : at.width >= 60 ? share(cell.mean.mean, 1)
                                                 : fmt::format("{:.1f}", 100 * cell.mean.mean);
      const std::string second =
          has && at.width >= 60 && cell.mean.count > 1
              ? fmt::format("{:.1f} to {:.1f}", 100 * cell.mean.low, 100 * cell.mean.high)
              : "";
      const std::string words = has                   ? mean_with_interval(cell.mean, "run")
                                : cell.reason.empty() ? "none yet"
                                                      : cell.reason;
      figure.cell({at.left + at.width * static_cast<double>(j),
                   at.head + at.height * static_cast<double>(i)},
                  at.width - 1.5, at.height - 1.5, heat, at.width >= 40 ? first : "", second,
                  fmt::format("{}, {}: {}", grid.rows[i], grid.columns[j], words));
    }
  }
  draw_scale(figure, at, low, high);
  return std::move(figure).finish();
}

}  // namespace

std::string heat_figure(const SweepResults& results) {
  if (results.effects.size() != 2) return {};
  const FactorEffect& down = results.effects[0];
  const FactorEffect& along = results.effects[1];
  if (down.levels.size() > kMostCells || along.levels.size() > kMostCells) return {};
  HeatGrid grid;
  grid.rows_title = down.name;
  grid.columns_title = along.name;
  grid.label =
      fmt::format("Mean test accuracy by {} (rows) and {} (columns).", down.name, along.name);
  for (const FactorLevel& each : down.levels) grid.rows.push_back(level(each.value));
  for (const FactorLevel& each : along.levels) grid.columns.push_back(level(each.value));
  std::vector<std::vector<std::vector<double>>> accuracies(
      grid.rows.size(), std::vector<std::vector<double>>(grid.columns.size()));
  const std::vector<LevelScale> scales{LevelScale(down), LevelScale(along)};
  for (const ConfigurationResult& result : results.configurations) {
    const std::vector<size_t> at = levels_of(results, scales, result.configuration);
    if (at[0] >= grid.rows.size() || at[1] >= grid.columns.size()) continue;
    for (const double accuracy : test_accuracies(result)) {
      accuracies[at[0]][at[1]].push_back(accuracy);
    }
  }
  for (const auto& row : accuracies) {
    std::vector<HeatCell>& cells = grid.cells.emplace_back();
    for (const auto& cell : row) cells.push_back({mean_interval(cell), ""});
  }
  return heat_grid(grid);
}

std::string matrix_figure(const SweepResults& results) {
  if (!results.matrix || results.matrix->configurations.size() > kMostCells) return {};
  const TrainedEvaluated& matrix = *results.matrix;
  HeatGrid grid;
  grid.rows_title = "trained on";
  grid.columns_title = "evaluated on";
  grid.label =
      "Mean test accuracy of networks by the configuration that they were trained on (rows) and "
      "the one whose preprocessing they were evaluated on (columns). The numbers are in the table.";
  for (const size_t index : matrix.configurations) {
    grid.rows.push_back(results.sweep->configurations[index].name);
  }
  grid.columns = sweep_words::matrix_columns(results);
  for (size_t i = 0; i < matrix.cells.size(); ++i) {
    std::vector<HeatCell>& cells = grid.cells.emplace_back();
    for (size_t j = 0; j < matrix.cells[i].size(); ++j) {
      cells.push_back({matrix.cells[i][j], matrix.reasons[i][j]});
    }
  }
  return heat_grid(grid);
}

}  // namespace engine
