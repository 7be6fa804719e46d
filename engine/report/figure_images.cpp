// Images through preprocessing, and images with their predictions.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/report/document_parts.h"
#include "engine/report/figures.h"
#include "engine/report/svg.h"

namespace engine {
namespace {

using namespace parts;

// --- Stages: one row each, the same images from left to right
constexpr double kStageImage = 64, kStageGap = 8, kStageText = 230, kStageTop = 14;
constexpr size_t kStageMost = 12;  // images in a row

void draw_stage(Svg& svg, const Value& stage, double top) {
  const double left = 16, width = kStageText - 16;
  svg.text({left, top + 16}, text(stage, "name"), {.size = 13, .bold = true, .width = width});
  svg.text({left, top + 33}, text(stage, "brief"),
           {.size = 11, .color = ink::kMuted, .width = width});
  svg.text({left, top + 49},
           fmt::format("{} to {}, mean {} \xC2\xB1 {}", short_number(number(stage, "low")),
                       short_number(number(stage, "high")), short_number(number(stage, "mean")),
                       short_number(number(stage, "deviation"))),
           {.size = 11, .color = ink::kMuted, .width = width});
  const Array& images = list(stage, "images");
  for (size_t i = 0; i < std::min(images.size(), kStageMost); ++i) {
    const double x = 16 + kStageText + static_cast<double>(i) * (kStageImage + kStageGap);
    svg.image({x, top}, kStageImage, kStageImage, text(images[i]));
  }
}

// --- Predictions: a grid
constexpr double kTile = 104, kTileHeight = 122, kTileImage = 72, kTileTop = 44;
constexpr size_t kColumns = 8;

void draw_prediction(Svg& svg, const Value& shown, const Array& names, Point corner) {
  const std::string_view said = name_at(names, at(shown, "prediction"));
  const std::string_view label = name_at(names, at(shown, "label"));
  const bool wrong = number(shown, "prediction") != number(shown, "label");
  const double middle = corner.x + kTile / 2, left = middle - kTileImage / 2;
  svg.image({left, corner.y}, kTileImage, kTileImage, text(shown, "image"),
            fmt::format("test image {}", short_number(number(shown, "sample"))));
  svg.frame({left - 1.5, corner.y - 1.5}, kTileImage + 3, kTileImage + 3,
            wrong ? ink::kOrange : ink::kGrid, wrong ? 3 : 1);
  const double width = kTile - 8, base = corner.y + kTileImage;
  if (wrong) {  // not by colour alone
    const double right = left + kTileImage;
    svg.box({right - 16, corner.y}, 16, 16, ink::kOrange, "", "wrong");
    svg.line({right - 12, corner.y + 4}, {right - 4, corner.y + 12}, ink::kPaper, 2);
    svg.line({right - 12, corner.y + 12}, {right - 4, corner.y + 4}, ink::kPaper, 2);
  }
  svg.text({middle, base + 17}, said,
           {.color = wrong ? ink::kOrange : ink::kText, .anchor = "middle", .width = width});
  const std::string sure = percent(number(shown, "confidence"), 0);
  svg.text({middle, base + 32}, wrong ? fmt::format("{}, is {}", sure, label) : sure,
           {.size = 11, .color = ink::kMuted, .anchor = "middle", .width = width});
}

}  // namespace

std::string stages_figure(const Value& document) {
  const Array& stages = list(document, "stages");
  size_t most = 0;
  for (const Value& stage : stages) {
    most = std::max(most, std::min(list(stage, "images").size(), kStageMost));
  }
  if (most == 0) return {};
  const double row = kStageImage + 12;
  Svg svg(16 + kStageText + static_cast<double>(most) * (kStageImage + kStageGap) + 8,
          kStageTop + row * static_cast<double>(stages.size()) + 2,
          fmt::format("Preprocessing of {}", text(document, "name")),
          "Some training images after each stage of preprocessing, with the range of values.");
  for (size_t i = 0; i < stages.size(); ++i) {
    draw_stage(svg, stages[i], kStageTop + row * static_cast<double>(i));
  }
  return std::move(svg).finish();
}

std::string predictions_figure(const Value& document) {
  const Array& shown = list(document, "predictions");
  if (shown.empty()) return {};
  const Array& names = list(document, "classes");
  const size_t columns = std::min(shown.size(), kColumns);
  const size_t rows = (shown.size() + columns - 1) / columns;
  const double width = std::max(16 + kTile * static_cast<double>(columns), 440.0);
  Svg svg(width, kTileTop + kTileHeight * static_cast<double>(rows),
          fmt::format("Predictions of {}", text(document, "name")),
          "Test images in the set's order with the predicted class and its probability.");
  svg.text({16, 24}, "Predicted class and probability; wrong ones are crossed, with the true class",
           {.color = ink::kMuted, .width = width - 32});
  for (size_t i = 0; i < shown.size(); ++i) {
    draw_prediction(svg, shown[i], names,
                    {8 + kTile * static_cast<double>(i % columns),
                     kTileTop + kTileHeight * static_cast<double>(i / columns)});
  }
  return std::move(svg).finish();
}

}  // namespace engine
