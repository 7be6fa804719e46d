// How far confidence can be taken at its word: accuracy by confidence, and how many predictions
// have it.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/report/document_parts.h"
#include "engine/report/figures.h"
#include "engine/report/svg.h"

namespace engine {
namespace {

using namespace parts;

constexpr double kLeft = 64, kTop = 48, kSide = 300;
constexpr double kCountsTop = kTop + kSide + 24, kCountsHeight = 70;

struct Bin {
  double low = 0, high = 0, count = 0, confidence = 0, accuracy = 0;
};

std::vector<Bin> bins_of(const Value& calibration) {
  std::vector<Bin> bins;
  for (const Value& value : list(calibration, "bins")) {
    const Bin bin{number(value, "low"), number(value, "high"), number(value, "count"),
                  number(value, "confidence"), number(value, "accuracy")};
    if (bin.low >= 0 && bin.high <= 1 && bin.high > bin.low) bins.push_back(bin);
  }
  return bins;
}

void draw_frame(Svg& svg, const Axis& x, const Axis& y) {
  for (const double share : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
    svg.line({kLeft, y(share)}, {kLeft + kSide, y(share)}, ink::kGrid);
    svg.text({kLeft - 8, y(share) + 4}, percent(share, 0), {.color = ink::kMuted, .anchor = "end"});
    svg.text({x(share), kCountsTop + kCountsHeight + 18}, percent(share, 0),
             {.color = ink::kMuted, .anchor = "middle"});
  }
}

void draw_bins(Svg& svg, const std::vector<Bin>& bins, const Axis& x, const Axis& y) {
  for (const Bin& bin : bins) {
    if (!(bin.count > 0) || !std::isfinite(bin.accuracy) || !std::isfinite(bin.confidence))
      continue;
    const double left = x(bin.low) + 1, width = x(bin.high) - x(bin.low) - 2;
    svg.box({left, y(bin.accuracy)}, width, y(0) - y(bin.accuracy), ink::kBlue,
            fmt::format("{} to {}: {} predictions, mean confidence {}, accuracy {}",
                        percent(bin.low, 0), percent(bin.high, 0), bin.count,
                        percent(bin.confidence), percent(bin.accuracy)),
            "bin");
    // The gap to what the network claims.
    svg.line({left, y(bin.confidence)}, {left + width, y(bin.confidence)}, ink::kOrange, 2.5);
  }
  svg.line({x(0), y(0)}, {x(1), y(1)}, ink::kText, 1, "4 4");
}

void draw_counts(Svg& svg, const std::vector<Bin>& bins, const Axis& x) {
  double most = 1;
  for (const Bin& bin : bins) most = std::max(most, std::isfinite(bin.count) ? bin.count : 0);
  const Axis y(0, most, kCountsTop + kCountsHeight, kCountsTop);
  for (const Bin& bin : bins) {
    svg.box({x(bin.low) + 1, y(bin.count)}, x(bin.high) - x(bin.low) - 2, y(0) - y(bin.count),
            ink::kMuted, fmt::format("{} predictions", bin.count));
  }
  svg.line({kLeft, y(0)}, {kLeft + kSide, y(0)}, ink::kMuted);
  svg.text({kLeft - 8, y(most) + 8}, short_number(most), {.color = ink::kMuted, .anchor = "end"});
  svg.text({kLeft - 8, y(0) + 4}, "0", {.color = ink::kMuted, .anchor = "end"});
}

}  // namespace

std::string reliability_figure(const Value& document) {
  const Value& calibration = at(document, "calibration");
  const std::vector<Bin> bins = bins_of(calibration);
  if (bins.empty()) return {};
  const double error = number(calibration, "error");
  const std::string words = fmt::format("expected calibration error {}", percent(error));
  Svg svg(kLeft + kSide + 24, kCountsTop + kCountsHeight + 50,
          fmt::format("Reliability of {}", text(document, "name")),
          "Accuracy of test predictions by their confidence; " + words + ".");
  const Axis x(0, 1, kLeft, kLeft + kSide), y(0, 1, kTop + kSide, kTop);
  svg.box({kLeft, 12}, 12, 12, ink::kBlue);
  svg.text({kLeft + 18, 22}, "accuracy");
  svg.line({kLeft + 84, 18}, {kLeft + 104, 18}, ink::kOrange, 2.5);
  svg.text({kLeft + 110, 22}, "mean confidence");
  svg.line({kLeft + 218, 18}, {kLeft + 238, 18}, ink::kText, 1, "4 4");
  svg.text({kLeft + 244, 22}, "ideal");
  draw_frame(svg, x, y);
  draw_bins(svg, bins, x, y);
  svg.line({kLeft, y(0)}, {kLeft + kSide, y(0)}, ink::kMuted);
  svg.text({kLeft, kTop - 8}, words, {.color = ink::kMuted});
  draw_counts(svg, bins, x);
  svg.text({16, kTop + kSide / 2}, "accuracy", {.anchor = "middle", .turn = -90});
  svg.text({16, kCountsTop + kCountsHeight / 2}, "images", {.anchor = "middle", .turn = -90});
  svg.text({kLeft + kSide / 2, kCountsTop + kCountsHeight + 38}, "confidence",
           {.anchor = "middle"});
  return std::move(svg).finish();
}

}  // namespace engine
