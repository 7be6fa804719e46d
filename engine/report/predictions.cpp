#include "engine/report/predictions.h"

#include <algorithm>
#include <cmath>

namespace engine {

std::vector<Prediction> predictions(std::span<const float> logits, std::span<const int32_t> labels,
                                    size_t classes) {
  std::vector<Prediction> all;
  for (size_t row = 0; row < labels.size(); ++row) {
    const auto scores = logits.subspan(row * classes, classes);
    const auto best = std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (const float score : scores) sum += std::exp(static_cast<double>(score) - *best);
    all.push_back({.row = row,
                   .label = labels[row],
                   .prediction = static_cast<int32_t>(best - scores.begin()),
                   .confidence = 1 / sum});
  }
  return all;
}

std::vector<Prediction> mistakes(std::span<const Prediction> all, size_t most) {
  std::vector<Prediction> wrong;
  for (const Prediction& each : all) {
    if (each.label != each.prediction) wrong.push_back(each);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [](const Prediction& a, const Prediction& b) {
    return a.confidence > b.confidence;
  });
  wrong.resize(std::min(wrong.size(), most));
  return wrong;
}

Calibration calibration(std::span<const Prediction> all, size_t bins) {
  Calibration result;
  result.bins.resize(bins);
  const auto width = 1 / static_cast<double>(bins);
  for (size_t i = 0; i < bins; ++i) {
    result.bins[i].low = width * static_cast<double>(i);
    result.bins[i].high = width * static_cast<double>(i + 1);
  }
  for (const Prediction& each : all) {
    const auto at = static_cast<size_t>(each.confidence * static_cast<double>(bins));
    CalibrationBin& bin = result.bins[std::min(at, bins - 1)];
    ++bin.count;
    bin.confidence += each.confidence;
    bin.accuracy += each.label == each.prediction ? 1 : 0;
  }
  for (CalibrationBin& bin : result.bins) {
    if (bin.count == 0) continue;
    const auto count = static_cast<double>(bin.count);
    bin.confidence /= count;
    bin.accuracy /= count;
    result.error +=
        std::abs(bin.accuracy - bin.confidence) * count / static_cast<double>(all.size());
  }
  return result;
}

Interval wilson_interval(double share, double trials) {
  if (trials <= 0) return {0, 1};
  constexpr double kZ = 1.959963984540054;  // the normal distribution's 97.5 % point
  const double square = kZ * kZ / trials;
  const double centre = (share + square / 2) / (1 + square);
  const double half =
      kZ / (1 + square) * std::sqrt(share * (1 - share) / trials + square / (4 * trials));
  return {std::max(centre - half, 0.0), std::min(centre + half, 1.0)};
}

}  // namespace engine
