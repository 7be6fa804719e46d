#include <cstring>

#include "kernels/image/image_step_cpu.h"
#include "kernels/image/random_flip.h"

namespace engine {
namespace {

class RandomFlipStep : public ImageStep {
 public:
  RandomFlipStep(const RandomFlip& stage, Shape input, uint32_t seed)
      : key_{seed, random_stream("random_flip", stage.name)},
        probability_(static_cast<float>(stage.probability)),
        mode_(stage.mode),
        shape_(input) {}

  void run(const float* in, float* out, float*, DrawPlace place) const override {
    const int64_t row = shape_.w * shape_.c;
    if (!draws_flip(key_, probability_, place.epoch, place.sample)) {
      std::memcpy(out, in, sizeof(float) * shape_.h * row);
      return;
    }
    for (int64_t y = 0; y < shape_.h; ++y) {
      const float* from = in + (mode_ == RandomFlip::Mode::vertical ? shape_.h - 1 - y : y) * row;
      float* to = out + y * row;
      if (mode_ == RandomFlip::Mode::vertical) {
        std::memcpy(to, from, sizeof(float) * row);
        continue;
      }
      for (int64_t x = 0; x < shape_.w; ++x) {
        const float* pixel = from + (shape_.w - 1 - x) * shape_.c;
        for (int64_t c = 0; c < shape_.c; ++c) to[x * shape_.c + c] = pixel[c];
      }
    }
  }

 private:
  RandomKey key_;
  float probability_;
  RandomFlip::Mode mode_;
  Shape shape_;
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const RandomFlip& stage, Shape input, uint32_t seed) {
  return std::make_unique<RandomFlipStep>(stage, input, seed);
}

}  // namespace engine
