#include <cmath>

#include "kernels/image/grayscale.h"
#include "kernels/image/image_step_cpu.h"

namespace engine {
namespace {

class GrayscaleStep : public ImageStep {
 public:
  GrayscaleStep(const Grayscale& stage, Shape input) : pixels_(input.h * input.w) {
    const std::array<double, 3> numbers = stage.weights.numbers();
    for (size_t i = 0; i < 3; ++i) weights_[i] = static_cast<float>(numbers[i]);
  }

  void run(const float* __restrict in, float* __restrict out, float*, DrawPlace) const override {
    const float r = weights_[0], g = weights_[1], b = weights_[2];
#pragma omp simd
    for (int64_t i = 0; i < pixels_; ++i) {
      out[i] = fmaf(b, in[3 * i + 2], fmaf(g, in[3 * i + 1], r * in[3 * i]));
    }
  }

 private:
  int64_t pixels_;
  float weights_[3];
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const Grayscale& stage, Shape input) {
  if (input.c == 1) return nullptr;
  return std::make_unique<GrayscaleStep>(stage, input);
}

}  // namespace engine
