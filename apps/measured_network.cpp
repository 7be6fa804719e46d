#include "apps/measured_network.h"

#include <algorithm>
#include <numeric>

#include "engine/core/random.h"

namespace engine {
namespace {

/// Random images: about 64 MB of them, but at least two batches.
ImageSet random_images(Shape image, int64_t classes, int64_t batch) {
  const int64_t fit = (int64_t{64} << 20) / image.per_sample();
  const int64_t count = std::max(2 * batch, std::min<int64_t>(fit, 10000)) / batch * batch;
  ImageSet set;
  set.shape = image.with_batch(count);
  set.pixels.resize(static_cast<size_t>(set.shape.elements()));
  const RandomKey key{1, random_stream("bench", "images")};
  for (size_t i = 0; i < set.pixels.size(); i += 16) {
    const Philox4 words = key.draw(static_cast<uint32_t>(i / 16), 0, 0);
    for (size_t k = 0; k < 16 && i + k < set.pixels.size(); ++k) {
      set.pixels[i + k] = static_cast<uint8_t>(words.word[k / 4] >> (8 * (k % 4)));
    }
  }
  set.labels.resize(static_cast<size_t>(count));
  set.samples.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < set.labels.size(); ++i) {
    set.labels[i] = static_cast<int32_t>(static_cast<int64_t>(i) % classes);
    set.samples[i] = static_cast<int32_t>(i);
  }
  return set;
}

}  // namespace

MeasuredNetwork::MeasuredNetwork(const Session& session, const SharedOptions& options)
    : batch_(session.experiment.train.batch_size) {
  const SourceInfo info = source_info(session.experiment, options);
  images_ = random_images(info.image, info.classes, batch_);
  pipeline_ = make_pipeline(session, info.image);
  pipeline_->measure(images_);
  training_set_ = pipeline_->prepare(images_, true);
  evaluation_set_ = pipeline_->prepare(images_, false);
  ExecutorSetup setup =
      executor_setup(session, pipeline_->output(), info.classes, pipeline_.get(), true);
  setup.without_passes = options.without_passes;
  executor_ = std::make_unique<Executor>(setup);
  executor_->initialize();
  order_.resize(static_cast<size_t>(images()));
  std::iota(order_.begin(), order_.end(), 0);
}

void MeasuredNetwork::preprocess() {
  pipeline_->prepare(images_, true);
}

void MeasuredNetwork::begin_epoch() {
  executor_->begin_epoch(*training_set_, order_, 0);
  steps_left_ = images() / batch_;
}

void MeasuredNetwork::train(int64_t steps) {
  while (steps > 0) {
    if (steps_left_ == 0) begin_epoch();
    const int64_t now = std::min(steps, steps_left_);
    executor_->train(now, [](uint64_t) { return 0.0; });
    steps_left_ -= now;
    steps -= now;
  }
}

Totals MeasuredNetwork::evaluate() {
  return executor_->evaluate(*evaluation_set_);
}

std::vector<NodeTime> MeasuredNetwork::time_nodes(int repetitions) {
  begin_epoch();
  steps_left_ = 0;
  return executor_->time_nodes(repetitions);
}

}  // namespace engine
