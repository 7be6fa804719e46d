#pragma once

#include <vector>

#include "engine/core/random.h"
#include "engine/core/stage.h"

namespace engine {

/// A subset of height, width and sample.
class SmoothAxes : public CustomValue {
 public:
  std::optional<std::string> read(const Value& value) override;
  Value write() const override;
  Value schema() const override;

  bool height = true, width = true, sample = false;
};

/// Separable Gaussian filter, as scipy.ndimage.gaussian_filter with one sigma for all axes: weights
/// exp(-k^2 / (2 sigma^2)) for |k| <= radius, divided by their sum; radius = int(truncate * sigma +
/// 0.5); beyond the edge the image continues as its mirror image, edge pixel included.
class Smooth : public Stage {
 public:
  std::string_view type() const override { return "smooth"; }
  void keys(Keys& keys) override;
  When when() const override { return when_; }
  bool mixes_samples() const override { return axes.sample && sigma > 0; }
  /// Throws Error (experiment) when samples are mixed every epoch.
  Shape infer(Shape input) const override;
  PortableValue portable(const PortableStage& stage) const override;
  std::string brief() const override;

  double sigma = 1;
  SmoothAxes axes;
  double truncate = 4;

 private:
  When when_ = When::once;
};

/// w[0] is the centre's weight, w[k] that of both pixels at distance k. Size radius + 1.
std::vector<float> gaussian_weights(double sigma, double truncate);

/// Where index i of an axis of the given length lies after mirroring at the edges as often as it
/// takes: d c b a | a b c d | d c b a.
ENGINE_HD int64_t reflect(int64_t i, int64_t length) {
  const int64_t period = 2 * length;
  i %= period;
  if (i < 0) i += period;
  return i < length ? i : period - 1 - i;
}

}  // namespace engine
