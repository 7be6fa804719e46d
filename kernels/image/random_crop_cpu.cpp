#include <algorithm>
#include <cstring>

#include "kernels/image/image_step_cpu.h"
#include "kernels/image/random_crop.h"
#include "kernels/image/smooth.h"

namespace engine {
namespace {

class RandomCropStep : public ImageStep {
 public:
  RandomCropStep(const RandomCrop& stage, Shape input, uint32_t seed)
      : key_{seed, random_stream("random_crop", stage.name)},
        padding_(static_cast<uint32_t>(stage.padding)),
        mirrored_(stage.padding_mode == RandomCrop::PaddingMode::reflect),
        shape_(input) {}

  void run(const float* in, float* out, float*, DrawPlace place) const override {
    const CropOffset offset = draw_crop(key_, padding_, place.epoch, place.sample);
    const int64_t row = shape_.w * shape_.c;
    for (int64_t y = 0; y < shape_.h; ++y) {
      const int64_t from_y = y + offset.y;
      float* to = out + y * row;
      if (mirrored_) {
        copy_mirrored(in + reflect(from_y, shape_.h) * row, to, offset.x);
      } else if (from_y < 0 || from_y >= shape_.h) {
        std::fill(to, to + row, 0.0f);
      } else {
        copy_between_zeros(in + from_y * row, to, offset.x);
      }
    }
  }

 private:
  void copy_mirrored(const float* from, float* to, int64_t offset) const {
    for (int64_t x = 0; x < shape_.w; ++x) {
      const float* pixel = from + reflect(x + offset, shape_.w) * shape_.c;
      for (int64_t c = 0; c < shape_.c; ++c) to[x * shape_.c + c] = pixel[c];
    }
  }

  void copy_between_zeros(const float* from, float* to, int64_t offset) const {
    const int64_t begin = std::clamp<int64_t>(-offset, 0, shape_.w);
    const int64_t end = std::clamp<int64_t>(shape_.w - offset, begin, shape_.w);
    std::fill(to, to + begin * shape_.c, 0.0f);
    if (begin < end) {
      std::memcpy(to + begin * shape_.c, from + (begin + offset) * shape_.c,
                  sizeof(float) * (end - begin) * shape_.c);
    }
    std::fill(to + end * shape_.c, to + shape_.w * shape_.c, 0.0f);
  }

  RandomKey key_;
  uint32_t padding_;
  bool mirrored_;
  Shape shape_;
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const RandomCrop& stage, Shape input, uint32_t seed) {
  return std::make_unique<RandomCropStep>(stage, input, seed);
}

}  // namespace engine
