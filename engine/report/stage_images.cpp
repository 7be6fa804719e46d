#include "engine/report/stage_images.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/core/error.h"
#include "engine/run/gathered.h"

namespace engine {
namespace {

ImageSet select(const ImageSet& from, const std::vector<int32_t>& rows) {
  ImageSet set;
  set.shape = from.shape.with_batch(static_cast<int64_t>(rows.size()));
  const auto bytes = from.shape.per_sample();
  for (const int32_t row : rows) {
    const auto begin = from.pixels.begin() + static_cast<std::ptrdiff_t>(row * bytes);
    set.pixels.insert(set.pixels.end(), begin, begin + static_cast<std::ptrdiff_t>(bytes));
    if (!from.labels.empty()) set.labels.push_back(from.labels[static_cast<size_t>(row)]);
    set.samples.push_back(from.samples[static_cast<size_t>(row)]);
  }
  return set;
}

void measure(StageImages& images) {
  const auto count = static_cast<double>(images.values.size());
  if (images.values.empty()) return;
  const auto [low, high] = std::minmax_element(images.values.begin(), images.values.end());
  images.low = *low;
  images.high = *high;
  images.mean = std::accumulate(images.values.begin(), images.values.end(), 0.0) / count;
  double squares = 0;
  for (const float value : images.values) squares += std::pow(value - images.mean, 2);
  images.deviation = std::sqrt(squares / count);
}

/// The first stages of an experiment, alone.
class Beginning {
 public:
  Beginning(const Experiment& experiment, const Registry& registry, Device& device, Shape image)
      : experiment_(experiment), registry_(registry), device_(device), image_(image) {}

  StageImages run(size_t stages, const ImageSet& images, const std::vector<int32_t>& rows,
                  const std::vector<double>& statistics) const {
    PipelineSetup setup{.stages = {},
                        .image = image_,
                        .seed = static_cast<uint32_t>(experiment_.seed),
                        .device = device_};
    Shape shape = image_;
    size_t measured = 0;  // numbers: a mean and a deviation of each channel
    for (size_t i = 0; i < stages; ++i) {
      const Stage& stage = *experiment_.preprocess[i];
      if (stage.needs_statistics()) measured += 2 * static_cast<size_t>(shape.c);
      shape = stage.infer(shape);
      setup.stages.push_back(&stage);
    }
    const PipelineFactory make =
        device_.kind() == "cuda" ? registry_.cuda_pipeline : registry_.cpu_pipeline;
    const auto pipeline = make(setup);
    pipeline->set_statistics(std::span(statistics).first(std::min(measured, statistics.size())));
    const auto set = pipeline->prepare(images, true);
    StageImages result{.name = "original",
                       .op = "",
                       .brief = "as it is read, 0 to 1",
                       .shape = shape.with_batch(static_cast<int64_t>(rows.size())),
                       .values = gathered(device_, *pipeline, *set, rows)};
    if (stages > 0) {
      const Stage& last = *experiment_.preprocess[stages - 1];
      result.name = last.name;
      result.op = last.type();
      result.brief = last.brief();
    }
    measure(result);
    return result;
  }

 private:
  const Experiment& experiment_;
  const Registry& registry_;
  Device& device_;
  Shape image_;
};

}  // namespace

std::vector<StageImages> stage_images(const Experiment& experiment, const Registry& registry,
                                      Device& device, const ImageSet& training,
                                      const std::vector<int32_t>& rows,
                                      const std::vector<double>& statistics) {
  const Beginning beginning(experiment, registry, device, training.shape.with_batch(1));
  const ImageSet few = select(training, rows);
  std::vector<int32_t> all_of_few(rows.size());
  std::iota(all_of_few.begin(), all_of_few.end(), 0);
  std::vector<StageImages> result;
  bool mixes = false;
  for (size_t stages = 0; stages <= experiment.preprocess.size(); ++stages) {
    mixes |= stages > 0 && experiment.preprocess[stages - 1]->mixes_samples();
    result.push_back(
        beginning.run(stages, mixes ? training : few, mixes ? rows : all_of_few, statistics));
  }
  return result;
}

std::vector<int32_t> rows_of_all_classes(const ImageSet& images, size_t classes, size_t count) {
  std::vector<std::vector<int32_t>> of_class(classes);
  for (size_t i = 0; i < images.labels.size(); ++i) {
    auto& rows = of_class[static_cast<size_t>(images.labels[i])];
    if (rows.size() < count) rows.push_back(static_cast<int32_t>(i));
  }
  std::vector<int32_t> rows;
  for (size_t turn = 0; turn < count && rows.size() < count; ++turn) {
    for (const auto& mine : of_class) {
      if (turn < mine.size() && rows.size() < count) rows.push_back(mine[turn]);
    }
  }
  return rows;
}

}  // namespace engine
