// How many images each class has, in each part of the data.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/report/document_parts.h"
#include "engine/report/figures.h"
#include "engine/report/svg.h"

namespace engine {
namespace {

using namespace parts;

constexpr double kTop = 44, kPanel = 170, kPanelGap = 26, kNumber = 44;
constexpr double kLongestLabel = 190, kLabelSize = 12, kLineHeight = 13;
constexpr size_t kMostSplits = 3;

std::string_view color_of(std::string_view split) {
  return split == "train" ? ink::kBlue : split == "validation" ? ink::kOrange : ink::kGreen;
}

double total_of(const Array& counts) {
  double total = 0;
  for (const Value& count : counts) total += std::max(number(count), 0.0);
  return total;
}

struct Layout {
  size_t classes = 0;
  double label = 30, row = 18, left = 0;
  size_t every = 1;  ///< which labels there is room for
};

Layout layout_of(const Array& names) {
  Layout layout;
  layout.classes = names.size();
  for (const Value& name : names) {
    layout.label = std::max(layout.label, text_width(text(name), kLabelSize) + 4);
  }
  layout.label = std::min(layout.label, kLongestLabel);
  layout.left = 16 + layout.label + 8;
  const auto classes = static_cast<double>(layout.classes);
  layout.row = layout.classes <= 30 ? 20 : std::clamp(2000 / classes, 1.0, 14.0);
  while (static_cast<double>(layout.every) * layout.row < kLineHeight) ++layout.every;
  return layout;
}

void draw_panel(Svg& svg, const Value& split, const Layout& layout, double left,
                std::string_view color) {
  const Array& counts = list(split, "counts");
  double most = 1;
  for (const Value& count : counts) most = std::max(most, std::max(number(count), 0.0));
  const double bottom = kTop + layout.row * static_cast<double>(layout.classes);
  const Axis x(0, most, left, left + kPanel - kNumber);
  svg.text({left, kTop - 14}, text(split, "split"), {.size = 13, .bold = true});
  svg.text({left + kPanel - 4, kTop - 14}, fmt::format("{} images", total_of(counts)),
           {.size = 11, .color = ink::kMuted, .anchor = "end"});
  svg.line({left, kTop - 4}, {left, bottom + 2}, ink::kMuted);
  const double gap = layout.row >= 8 ? 2 : 0;
  for (size_t i = 0; i < std::min(counts.size(), layout.classes); ++i) {
    const double count = number(counts[i]), top = kTop + layout.row * static_cast<double>(i);
    svg.box({left, top + gap}, x(count) - left, layout.row - 2 * gap, color, "", "bar");
    if (i % layout.every == 0 && std::isfinite(count)) {
      svg.text({x(std::max(count, 0.0)) + 5, top + layout.row / 2 + 4}, fmt::format("{}", count),
               {.size = 11, .color = ink::kMuted});
    }
  }
}

}  // namespace

std::string counts_figure(const Value& document) {
  const Array& splits = list(document, "counts");
  const Array& names = list(document, "classes");
  std::vector<const Value*> shown;  // a split without images says nothing
  for (const Value& split : splits) {
    if (total_of(list(split, "counts")) > 0 && shown.size() < kMostSplits) {
      shown.push_back(&split);
    }
  }
  if (shown.empty() || names.empty()) return {};
  const Layout layout = layout_of(names);
  Svg svg(layout.left + (kPanel + kPanelGap) * static_cast<double>(shown.size()),
          kTop + layout.row * static_cast<double>(layout.classes) + 16,
          fmt::format("Images in each class of {}", text(document, "name")),
          "How many images each class has for training, validation and test.");
  for (size_t i = 0; i < layout.classes; i += layout.every) {
    svg.text({layout.left - 8, kTop + layout.row * (static_cast<double>(i) + 0.5) + 4},
             text(names[i]), {.size = kLabelSize, .anchor = "end", .width = layout.label});
  }
  for (size_t i = 0; i < shown.size(); ++i) {
    draw_panel(svg, *shown[i], layout, layout.left + (kPanel + kPanelGap) * static_cast<double>(i),
               color_of(text(*shown[i], "split")));
  }
  return std::move(svg).finish();
}

}  // namespace engine
