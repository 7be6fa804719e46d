// The confusion matrix.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/report/document_parts.h"
#include "engine/report/figures.h"
#include "engine/report/heat.h"
#include "engine/report/svg.h"

namespace engine {
namespace {

using namespace parts;

constexpr double kLongestLabel = 170, kLabelSize = 12, kLineHeight = 14;
constexpr double kDarkShare = 0.45;  // from here on text on a cell is white
constexpr size_t kTooltips = 30;     // classes, at most, of a matrix whose cells have tooltips

std::string hex(double share) {
  const auto color = heat_color(share);
  return fmt::format("#{:02x}{:02x}{:02x}", color[0], color[1], color[2]);
}

class Matrix {
 public:
  explicit Matrix(const Value& document)
      : rows_(list(document, "confusion")), names_(list(document, "classes")) {
    size_ = std::min(rows_.size(), names_.size());
    const auto classes = static_cast<double>(std::max<size_t>(size_, 1));
    cell_ = size_ <= 12 ? 46 : std::max(std::min(26.0, 900 / classes), 1.0);
    for (const Value& name : names_) {
      label_ = std::max(label_, text_width(text(name), kLabelSize) + 4);
    }
    label_ = std::min(label_, kLongestLabel);
    left_ = 34 + label_;
    side_ = cell_ * static_cast<double>(size_);
    // Labels below: level where they fit, slanting where lines have room, else upright.
    if (label_ <= cell_) {
      turn_ = 0;
    } else {
      turn_ = cell_ * std::sqrt(0.5) >= kLineHeight ? -45 : -90;
    }
    below_ = turn_ == 0 ? kLineHeight + 4 : turn_ == -45 ? label_ * 0.71 + 16 : label_ + 8;
  }

  bool empty() const { return size_ == 0; }

  std::string figure(std::string_view run) const {
    const double height = kTop + side_ + below_ + 34;
    Svg svg(left_ + side_ + kBar, height, fmt::format("Confusion matrix of {}", run),
            "Rows are true classes, columns predicted ones. Colours are shares of a row.");
    draw_cells(svg);
    draw_labels(svg);
    draw_bar(svg);
    svg.text({16, kTop + side_ / 2}, "true class",
             {.size = 13, .anchor = "middle", .bold = true, .turn = -90});
    svg.text({left_ + side_ / 2, height - 12}, "predicted class",
             {.size = 13, .anchor = "middle", .bold = true});
    return std::move(svg).finish();
  }

 private:
  static constexpr double kTop = 16, kBar = 92;

  void draw_cells(Svg& svg) const {
    const double gap = cell_ >= 16 ? 1 : 0;
    svg.box({left_, kTop}, side_, side_, hex(0));
    for (size_t row = 0; row < size_; ++row) {
      const Array& counts = list(rows_[row]);
      double total = 0;
      for (const Value& count : counts) total += number(count);
      for (size_t column = 0; column < std::min(size_, counts.size()); ++column) {
        const double count = number(counts[column]);
        if (!(count > 0)) continue;  // the ground has their colour
        draw_cell(svg, row, column, count, count / total, gap);
      }
    }
    if (cell_ >= 16) {
      for (size_t i = 1; i < size_; ++i) {
        const double along = cell_ * static_cast<double>(i);
        svg.line({left_ + along, kTop}, {left_ + along, kTop + side_}, ink::kPaper);
        svg.line({left_, kTop + along}, {left_ + side_, kTop + along}, ink::kPaper);
      }
    }
    svg.frame({left_, kTop}, side_, side_, ink::kMuted);
  }

  void draw_cell(Svg& svg, size_t row, size_t column, double count, double share,
                 double gap) const {
    const Point corner{left_ + cell_ * static_cast<double>(column),
                       kTop + cell_ * static_cast<double>(row)};
    std::string tooltip;
    if (size_ <= kTooltips) {
      tooltip = fmt::format("{} predicted as {}: {} ({})", text(names_[row]), text(names_[column]),
                            count, percent(share));
    }
    svg.box(corner, cell_ - gap, cell_ - gap, hex(share), tooltip, "cell");
    const std::string words = fmt::format("{}", count);
    const double size = cell_ >= 40 ? 12 : 9;
    if (cell_ < 16 || text_width(words, size) > cell_) return;
    svg.text({corner.x + cell_ / 2, corner.y + cell_ / 2 + size * 0.35}, words,
             {.size = size,
              .color = share >= kDarkShare ? ink::kPaper : ink::kText,
              .anchor = "middle"});
  }

  /// Every which label there is room for: 1, 2, 5, 10, 20 ...
  size_t every(double spacing) const {
    constexpr size_t kSteps[] = {1, 2, 5, 10, 20, 50, 100, 200, 500};
    for (const size_t step : kSteps) {
      if (static_cast<double>(step) * spacing >= kLineHeight - 1) return step;
    }
    return 1000;
  }

  void draw_labels(Svg& svg) const {
    const size_t step = every(cell_);
    for (size_t i = 0; i < size_; i += step) {
      const double middle = cell_ * (static_cast<double>(i) + 0.5);
      svg.text({left_ - 8, kTop + middle + kLabelSize * 0.35}, text(names_[i]),
               {.size = kLabelSize, .anchor = "end", .width = label_});
      if (step > 1) {
        svg.line({left_ - 5, kTop + middle}, {left_, kTop + middle}, ink::kMuted);
        svg.line({left_ + middle, kTop + side_}, {left_ + middle, kTop + side_ + 5}, ink::kMuted);
      }
      const double shift = turn_ == 0 ? 0 : kLabelSize * 0.35;  // the line's middle, turned
      const double down = turn_ == 0 ? kLabelSize + 4 : 12;
      svg.text({left_ + middle + shift, kTop + side_ + down}, text(names_[i]),
               {.size = kLabelSize,
                .anchor = turn_ == 0 ? "middle" : "end",
                .turn = turn_,
                .width = label_});
    }
  }

  void draw_bar(Svg& svg) const {
    const double x = left_ + side_ + 22, height = std::min(side_, 260.0), width = 14;
    constexpr int kSteps = 50;
    for (int i = 0; i < kSteps; ++i) {
      const double share = 1 - (i + 0.5) / kSteps;
      svg.box({x, kTop + height * i / kSteps}, width, height / kSteps + 0.5, hex(share));
    }
    svg.frame({x, kTop}, width, height, ink::kMuted, 0.5);
    for (const double share : {0.0, 0.5, 1.0}) {
      svg.text({x + width + 5, kTop + height * (1 - share) +
                                   (share == 1 ? 10
                                    : share    ? 4
                                               : 0)},
               percent(share, 0), {.size = 11, .color = ink::kMuted});
    }
    svg.text({x, kTop + height + 18}, "of a row", {.size = 11, .color = ink::kMuted});
  }

  const Array& rows_;
  const Array& names_;
  size_t size_ = 0;
  double cell_ = 0, label_ = 30, left_ = 0, side_ = 0, turn_ = 0, below_ = 0;
};

}  // namespace

std::string confusion_figure(const Value& document) {
  const Matrix matrix(document);
  return matrix.empty() ? std::string() : matrix.figure(text(document, "name"));
}

}  // namespace engine
