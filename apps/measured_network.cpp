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

void add_measured(Arguments& arguments, MeasuringOptions& options) {
  add_file(arguments, options.shared);
  arguments.integer("--batch", options.batch,
                    {.doc = "Override the key train.batch_size",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 1 << 20});
}

void add_conditions(Arguments& arguments, MeasuringOptions& options) {
  add_set(arguments, options.shared);
  add_machine(arguments, options.shared);
  add_passes(arguments, options.shared);
  add_data_dir(arguments, options.shared);
  add_json(arguments, options.shared);
  arguments.footer("The images are random and lie in memory, so no data set is needed.");
}

Session open_measured(const MeasuringOptions& options) {
  SharedOptions shared = options.shared;
  if (options.batch) shared.set.push_back(fmt::format("train.batch_size={}", options.batch));
  return open_session(shared);
}

Value conditions_value(const Session& session) {
  const Environment environment = this_environment(session.machine);
  Value value{Object{}};
  value.set("experiment", session.experiment.name);
  value.set("device", environment.device);
  value.set("threads", environment.threads);
  value.set("libraries", environment.libraries);
  value.set("batch_size", session.experiment.train.batch_size);
  return value;
}

void print_conditions(const Session& session, const std::string& more) {
  const Environment environment = this_environment(session.machine);
  if (!session.machine.note.empty()) fmt::print("{}\n", session.machine.note);
  fmt::print("{}\n{}, batch {}{}\n\n", environment.device, environment.libraries,
             session.experiment.train.batch_size, more);
}

MeasuredNetwork::MeasuredNetwork(const Session& session, const SharedOptions& options)
    : batch_(session.experiment.train.batch_size),
      source_(source_info(session.experiment, options)) {
  images_ = random_images(source_.image, source_.classes, batch_);
  pipeline_ = make_pipeline(session, source_.image);
  pipeline_->measure(images_);
  training_set_ = pipeline_->prepare(images_, true);
  evaluation_set_ = pipeline_->prepare(images_, false);
  ExecutorSetup setup =
      executor_setup(session, pipeline_->output(), source_.classes, pipeline_.get(), true);
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
