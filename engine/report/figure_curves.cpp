// Loss and accuracy by epoch.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/report/document_parts.h"
#include "engine/report/figures.h"
#include "engine/report/svg.h"

namespace engine {
namespace {

using namespace parts;

constexpr double kWidth = 760, kHeight = 320;
constexpr double kTop = 64, kBottom = 270;  // of the panels
constexpr double kPanel = 300;              // width
constexpr size_t kFew = 12;                 // epochs whose points are shown one by one

struct Series {
  std::string_view name, color;
  std::vector<Point> points;  ///< epoch and value
};

struct Panel {
  std::string_view title;
  double left = 0;
  bool shares = false;  ///< 0 to 1, shown in percent
  std::vector<Series> series;
};

Series series(const Value& metrics, std::string_view key, std::string_view name,
              std::string_view color) {
  const Array& epochs = list(metrics, "epoch");
  const Array& values = list(metrics, key);
  Series result{name, color, {}};
  for (size_t i = 0; i < std::min(epochs.size(), values.size()); ++i) {
    result.points.push_back({number(epochs[i]), number(values[i])});
  }
  return result;
}

/// The range of all values with a little room; NaN-free.
Axis value_axis(const Panel& panel) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& each : panel.series) {
    for (const Point point : each.points) {
      if (!std::isfinite(point.y)) continue;
      low = std::min(low, point.y);
      high = std::max(high, point.y);
    }
  }
  if (!(low <= high)) low = 0, high = 1;
  const double room = high > low ? 0.06 * (high - low) : std::max(0.05 * std::abs(high), 1e-3);
  low -= room;
  high += room;
  if (panel.shares) low = std::max(low, 0.0), high = std::min(high, 1.0);
  return {low, high, kBottom, kTop};
}

Axis epoch_axis(const Value& metrics, double left) {
  double last = 1;
  for (const Value& epoch : list(metrics, "epoch")) {
    if (number(epoch) > last) last = number(epoch);
  }
  if (last == 1) return {0.5, 1.5, left, left + kPanel};
  return {1, last, left, left + kPanel};
}

void draw_axes(Svg& svg, const Panel& panel, const Axis& x, const Axis& y) {
  const double right = panel.left + kPanel;
  svg.text({panel.left, kTop - 36}, panel.title, {.size = 14, .bold = true});
  for (const double value : y.ticks(7)) {
    svg.line({panel.left, y(value)}, {right, y(value)}, ink::kGrid);
    const std::string label = panel.shares ? short_number(100 * value) + " %" : short_number(value);
    svg.text({panel.left - 8, y(value) + 4}, label, {.color = ink::kMuted, .anchor = "end"});
  }
  svg.line({panel.left, kBottom}, {right, kBottom}, ink::kMuted);
  for (const double epoch : x.ticks(8, 1)) {
    svg.line({x(epoch), kBottom}, {x(epoch), kBottom + 4}, ink::kMuted);
    svg.text({x(epoch), kBottom + 18}, short_number(epoch),
             {.color = ink::kMuted, .anchor = "middle"});
  }
  svg.text({panel.left + kPanel / 2, kBottom + 38}, "epoch",
           {.color = ink::kMuted, .anchor = "middle"});
}

void draw_best(Svg& svg, const Panel& panel, const Axis& x, double best) {
  if (!(best >= x.low() && best <= x.high())) return;
  svg.line({x(best), kTop - 4}, {x(best), kBottom}, ink::kMuted, 1, "2 3");
  const std::string words = fmt::format("best: epoch {}", short_number(best));
  const bool fits = x(best) + text_width(words, 12) < panel.left + kPanel;
  svg.text({x(best), kTop - 8}, words, {.color = ink::kMuted, .anchor = fits ? "start" : "end"});
}

void draw_panel(Svg& svg, const Panel& panel, const Value& metrics, double best) {
  const Axis x = epoch_axis(metrics, panel.left), y = value_axis(panel);
  draw_axes(svg, panel, x, y);
  draw_best(svg, panel, x, best);
  for (const Series& each : panel.series) {
    std::vector<Point> places;
    for (const Point point : each.points) places.push_back({x(point.x), y(point.y)});
    svg.curve(places, each.color);
    for (size_t i = 0; i < places.size(); ++i) {
      if (places.size() <= kFew || each.points[i].x == best) svg.dot(places[i], 3, each.color);
    }
  }
}

void draw_legend(Svg& svg, const Panel& panel, double right) {
  double left = right;
  for (auto each = panel.series.rbegin(); each != panel.series.rend(); ++each) {
    left -= text_width(each->name, 12);
    svg.text({left, kTop - 36}, each->name);
    svg.line({left - 26, kTop - 40}, {left - 6, kTop - 40}, each->color, 2.5);
    left -= 44;
  }
}

bool has_values(const Series& series) {
  return std::any_of(series.points.begin(), series.points.end(),
                     [](Point point) { return std::isfinite(point.y); });
}

}  // namespace

std::string curves_figure(const Value& document) {
  const Value& metrics = at(document, "metrics");
  if (list(metrics, "epoch").empty()) return {};
  Panel loss{"Loss", 60, false, {}}, accuracy{"Accuracy", 440, true, {}};
  loss.series = {series(metrics, "train_loss", "train", ink::kBlue),
                 series(metrics, "validation_loss", "validation", ink::kOrange)};
  accuracy.series = {series(metrics, "train_accuracy", "train", ink::kBlue),
                     series(metrics, "validation_accuracy", "validation", ink::kOrange)};
  for (Panel* panel : {&loss, &accuracy}) std::erase_if(panel->series, std::not_fn(has_values));
  const double best = number(document, "best_epoch");
  const std::string about =
      fmt::format("Loss and accuracy of {} epochs{}.", list(metrics, "epoch").size(),
                  best > 0 ? fmt::format("; the best is epoch {}", short_number(best)) : "");
  Svg svg(kWidth, kHeight, fmt::format("Training curves of {}", text(document, "name")), about);
  for (const Panel* panel : {&loss, &accuracy}) {
    draw_panel(svg, *panel, metrics, best);
    draw_legend(svg, *panel, panel->left + kPanel);
  }
  return std::move(svg).finish();
}

}  // namespace engine
