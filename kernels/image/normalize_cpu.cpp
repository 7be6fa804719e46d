#include <cmath>

#include "kernels/image/image_step_cpu.h"
#include "kernels/image/normalize.h"

namespace engine {
namespace {

class NormalizeStep : public ImageStep {
 public:
  NormalizeStep(Shape input, std::span<const double> statistics)
      : pixels_(input.h * input.w), channels_(input.c) {
    for (int64_t c = 0; c < channels_; ++c) {
      const double deviation = statistics[channels_ + c];
      mean_.push_back(static_cast<float>(statistics[c]));
      scale_.push_back(static_cast<float>(deviation > 0 ? 1 / deviation : 1));
    }
  }

  bool in_place() const override { return true; }

  void run(const float* in, float* out, float*, DrawPlace) const override {
    if (channels_ == 1) {
      const float mean = mean_[0], scale = scale_[0];
#pragma omp simd
      for (int64_t i = 0; i < pixels_; ++i) out[i] = (in[i] - mean) * scale;
      return;
    }
    for (int64_t i = 0; i < pixels_; ++i) {
      for (int64_t c = 0; c < channels_; ++c) {
        out[i * channels_ + c] = (in[i * channels_ + c] - mean_[c]) * scale_[c];
      }
    }
  }

 private:
  int64_t pixels_, channels_;
  std::vector<float> mean_, scale_;
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const Normalize&, Shape input,
                                     std::span<const double> statistics) {
  return std::make_unique<NormalizeStep>(input, statistics);
}

}  // namespace engine
