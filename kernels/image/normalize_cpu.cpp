#include "kernels/image/image_step_cpu.h"
#include "kernels/image/normalize.h"

namespace engine {
namespace {

class NormalizeStep : public ImageStep {
 public:
  NormalizeStep(Shape input, NormalizeNumbers numbers)
      : pixels_(input.h * input.w), channels_(input.c), numbers_(std::move(numbers)) {}

  bool in_place() const override { return true; }

  void run(const float* in, float* out, float*, DrawPlace) const override {
    if (channels_ == 1) {
      const float mean = numbers_.mean[0], factor = numbers_.factor[0];
#pragma omp simd
      for (int64_t i = 0; i < pixels_; ++i) out[i] = (in[i] - mean) * factor;
      return;
    }
    for (int64_t i = 0; i < pixels_; ++i) {
      for (int64_t c = 0; c < channels_; ++c) {
        out[i * channels_ + c] = (in[i * channels_ + c] - numbers_.mean[c]) * numbers_.factor[c];
      }
    }
  }

 private:
  int64_t pixels_, channels_;
  NormalizeNumbers numbers_;
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const Normalize& stage, Shape input,
                                     std::span<const double> statistics) {
  if (stage.needs_statistics() && statistics.empty()) return nullptr;
  return std::make_unique<NormalizeStep>(input, normalize_numbers(stage, input.c, statistics));
}

}  // namespace engine
