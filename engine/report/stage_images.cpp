#include "engine/report/stage_images.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

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

constexpr size_t kChunk = 1000;  ///< images whose values are in memory at a time

/// Figures of values that come in parts (Chan, Golub and LeVeque 1979).
class Figures {
 public:
  void add(const std::vector<float>& values) {
    if (values.empty()) return;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    low_ = std::min(low_, double{*low});
    high_ = std::max(high_, double{*high});
    const auto count = static_cast<double>(values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
    double squares = 0;
    for (const float value : values) squares += (value - mean) * (value - mean);
    const double all = count_ + count, apart = mean - mean_;
    squares_ += squares + apart * apart * count_ * count / all;
    mean_ += apart * count / all;
    count_ = all;
  }
  void put_into(StageFigures& stage) const {
    if (count_ == 0) return;
    stage.low = low_;
    stage.high = high_;
    stage.mean = mean_;
    stage.deviation = std::sqrt(squares_ / count_);
  }

 private:
  double count_ = 0, mean_ = 0, squares_ = 0;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
};

/// The first stages of an experiment, alone, over some images.
class Beginning {
 public:
  Beginning(const StagedImages& set, size_t stages, const ImageSet& images) : device_(set.device) {
    Shape shape = images.shape.with_batch(1);
    PipelineSetup setup{.stages = {},
                        .image = shape,
                        .seed = static_cast<uint32_t>(set.experiment.seed),
                        .device = set.device};
    figures_ = {.name = "original", .op = "", .brief = "as it is read, 0 to 1"};
    size_t measured = 0;  // numbers: a mean and a deviation of each channel
    for (size_t i = 0; i < stages; ++i) {
      const Stage& stage = *set.experiment.preprocess[i];
      if (stage.needs_statistics()) measured += 2 * static_cast<size_t>(shape.c);
      shape = stage.infer(shape);
      setup.stages.push_back(&stage);
      figures_ = {.name = stage.name,
                  .op = std::string(stage.type()),
                  .brief = stage.brief(),
                  .every_epoch = stage.when() == When::every_epoch,
                  .left_out = stage.training_only() && !set.training};
    }
    figures_.shape = shape;
    const PipelineFactory make =
        device_.kind() == "cuda" ? set.registry.cuda_pipeline : set.registry.cpu_pipeline;
    pipeline_ = make(setup);
    pipeline_->set_statistics(
        std::span(set.statistics).first(std::min(measured, set.statistics.size())));
    prepared_ = pipeline_->prepare(images, set.training);
  }

  StageImages images(const std::vector<int32_t>& rows) const {
    StageImages result{figures_, gathered(device_, *pipeline_, *prepared_, rows)};
    result.shape.n = static_cast<int64_t>(rows.size());
    Figures figures;
    figures.add(result.values);
    figures.put_into(result);
    return result;
  }

  StageFigures all() const {
    StageFigures result = figures_;
    result.shape.n = prepared_->count();
    Figures figures;
    for (int64_t at = 0; at < result.shape.n; at += kChunk) {
      std::vector<int32_t> rows(std::min<size_t>(kChunk, static_cast<size_t>(result.shape.n - at)));
      std::iota(rows.begin(), rows.end(), static_cast<int32_t>(at));
      figures.add(gathered(device_, *pipeline_, *prepared_, rows));
    }
    figures.put_into(result);
    return result;
  }

 private:
  Device& device_;
  StageFigures figures_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<PreparedSet> prepared_;
};

}  // namespace

std::vector<StageImages> stage_images(const StagedImages& set, const std::vector<int32_t>& rows) {
  const ImageSet few = select(set.images, rows);
  std::vector<int32_t> all_of_few(rows.size());
  std::iota(all_of_few.begin(), all_of_few.end(), 0);
  const auto& stages = set.experiment.preprocess;
  std::vector<StageImages> result;
  bool mixes = false;
  for (size_t count = 0; count <= stages.size(); ++count) {
    mixes |= count > 0 && stages[count - 1]->mixes_samples();
    const Beginning beginning(set, count, mixes ? set.images : few);
    result.push_back(beginning.images(mixes ? rows : all_of_few));
  }
  return result;
}

std::vector<StageFigures> stage_figures(const StagedImages& set) {
  std::vector<StageFigures> result;
  for (size_t count = 0; count <= set.experiment.preprocess.size(); ++count) {
    result.push_back(Beginning(set, count, set.images).all());
  }
  return result;
}

ShownRange shown_range(const StageFigures& stage) {
  const bool ordinary = stage.low >= 0 && stage.high <= 1;
  return ordinary ? ShownRange{} : ShownRange{stage.low, stage.high};
}

Picture stage_picture(const StageImages& stage, size_t image) {
  const ShownRange range = shown_range(stage);
  const auto per_sample = static_cast<size_t>(stage.shape.per_sample());
  return picture(stage.values.data() + image * per_sample, stage.shape, range.black, range.white);
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
