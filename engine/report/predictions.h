#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace engine {

/// What a network says of one sample.
struct Prediction {
  size_t row = 0;  ///< in its set
  int32_t label = 0, prediction = 0;
  double confidence = 0;  ///< softmax probability of the prediction
};

/// From logits [samples][classes]; the prediction is the first of the largest.
std::vector<Prediction> predictions(std::span<const float> logits, std::span<const int32_t> labels,
                                    size_t classes);

/// The wrong ones, most confident first; ties in the order of rows.
std::vector<Prediction> mistakes(std::span<const Prediction> all, size_t most);

/// Predictions of one range of confidence.
struct CalibrationBin {
  double low = 0, high = 0;
  int64_t count = 0;
  double confidence = 0, accuracy = 0;  ///< means; 0 where there are none
};

/// How far confidence can be taken at its word: bins of equal width over [0, 1], the last closed.
struct Calibration {
  std::vector<CalibrationBin> bins;
  /// Expected calibration error (Guo et al. 2017): the mean over samples of |accuracy -
  /// confidence| of their bin.
  double error = 0;
};
Calibration calibration(std::span<const Prediction> all, size_t bins = 10);

struct Interval {
  double low = 0, high = 0;
};
/// The 95 % interval of a share of hits in trials (Wilson 1927). Without trials: [0, 1].
Interval wilson_interval(double share, double trials);

}  // namespace engine
