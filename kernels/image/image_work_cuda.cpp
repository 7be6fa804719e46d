#include "kernels/image/image_work_cuda.h"

#include "engine/core/error.h"
#include "kernels/image/grayscale.h"
#include "kernels/image/noise.h"
#include "kernels/image/normalize.h"
#include "kernels/image/random_crop.h"
#include "kernels/image/random_flip.h"
#include "kernels/image/smooth.h"

namespace engine {
namespace {

ImageWork work_on(Shape input, ImageWork::Kind kind) {
  ImageWork work;
  work.kind = kind;
  work.h = static_cast<int32_t>(input.h);
  work.w = static_cast<int32_t>(input.w);
  work.c = static_cast<int32_t>(input.c);
  work.elements = work.result_elements = static_cast<uint32_t>(input.per_sample());
  work.row = Divider(static_cast<uint32_t>(input.w * input.c));
  work.pixel = Divider(static_cast<uint32_t>(input.c));
  return work;
}

StageWorks grayscale_works(const Grayscale& stage, Shape input) {
  if (input.c == 1) return {};
  ImageWork work = work_on(input, ImageWork::Kind::grayscale);
  work.result_elements /= 3;
  const std::array<double, 3> weights = stage.weights.numbers();
  for (size_t i = 0; i < 3; ++i) work.numbers[i] = static_cast<float>(weights[i]);
  return {{work}, {}};
}

StageWorks noise_works(const Noise& stage, Shape input, uint32_t seed) {
  if (stage.sigma == 0) return {};
  ImageWork work = work_on(input, ImageWork::Kind::noise);
  work.key = {seed, random_stream("noise", stage.name)};
  work.numbers[0] = static_cast<float>(stage.sigma);
  work.once = stage.when() == When::once;
  return {{work}, {}};
}

StageWorks smooth_works(const Smooth& stage, Shape input) {
  if (stage.sigma == 0) return {};
  StageWorks result{{}, gaussian_weights(stage.sigma, stage.truncate)};
  const auto add = [&](ImageWork::Kind kind) {
    result.works.push_back(work_on(input, kind));
    result.works.back().reach = static_cast<int32_t>(result.table.size()) - 1;
  };
  if (stage.axes.height) add(ImageWork::Kind::smooth_height);
  if (stage.axes.width) add(ImageWork::Kind::smooth_width);
  return result;
}

StageWorks normalize_works(const Normalize& stage, Shape input,
                           std::span<const double> statistics) {
  if (stage.needs_statistics() && statistics.empty()) return {};
  const NormalizeNumbers numbers = normalize_numbers(stage, input.c, statistics);
  StageWorks result{{work_on(input, ImageWork::Kind::normalize)}, numbers.mean};
  result.table.insert(result.table.end(), numbers.factor.begin(), numbers.factor.end());
  return result;
}

StageWorks flip_works(const RandomFlip& stage, Shape input, uint32_t seed) {
  ImageWork work = work_on(input, ImageWork::Kind::flip);
  work.key = {seed, random_stream("random_flip", stage.name)};
  work.numbers[0] = static_cast<float>(stage.probability);
  work.vertical = stage.mode == RandomFlip::Mode::vertical;
  return {{work}, {}};
}

StageWorks crop_works(const RandomCrop& stage, Shape input, uint32_t seed) {
  ImageWork work = work_on(input, ImageWork::Kind::crop);
  work.key = {seed, random_stream("random_crop", stage.name)};
  work.reach = static_cast<int32_t>(stage.padding);
  work.mirrored = stage.padding_mode == RandomCrop::PaddingMode::reflect;
  return {{work}, {}};
}

}  // namespace

StageWorks works_of(const Stage& stage, Shape input, uint32_t seed,
                    std::span<const double> statistics) {
  if (auto* s = dynamic_cast<const Grayscale*>(&stage)) return grayscale_works(*s, input);
  if (auto* s = dynamic_cast<const Noise*>(&stage)) return noise_works(*s, input, seed);
  if (auto* s = dynamic_cast<const Smooth*>(&stage)) return smooth_works(*s, input);
  if (auto* s = dynamic_cast<const Normalize*>(&stage)) {
    return normalize_works(*s, input, statistics);
  }
  if (auto* s = dynamic_cast<const RandomFlip*>(&stage)) return flip_works(*s, input, seed);
  if (auto* s = dynamic_cast<const RandomCrop*>(&stage)) return crop_works(*s, input, seed);
  fail(ExitCode::internal, "stage \"{}\" has no implementation on the GPU", stage.type());
}

}  // namespace engine
