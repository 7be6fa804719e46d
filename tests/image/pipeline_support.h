#pragma once

// A pipeline from a line of JSON, and images to put through it.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/core/json.h"
#include "engine/core/keys_reader.h"
#include "engine/core/random.h"
#include "engine/cpu/cpu_device.h"
#include "kernels/image/grayscale.h"
#include "kernels/image/noise.h"
#include "kernels/image/normalize.h"
#include "kernels/image/pipeline.h"
#include "kernels/image/random_crop.h"
#include "kernels/image/random_flip.h"
#include "kernels/image/smooth.h"
#include "tests/support/on_device.h"
#include "tests/support/tested_device.h"

namespace engine::test {

inline std::unique_ptr<Stage> new_stage(const std::string& op) {
  if (op == "grayscale") return std::make_unique<Grayscale>();
  if (op == "noise") return std::make_unique<Noise>();
  if (op == "smooth") return std::make_unique<Smooth>();
  if (op == "normalize") return std::make_unique<Normalize>();
  if (op == "random_flip") return std::make_unique<RandomFlip>();
  if (op == "random_crop") return std::make_unique<RandomCrop>();
  throw std::invalid_argument(op);
}

/// Stages as an experiment's "preprocess" has them. Throws Error (experiment).
inline std::vector<std::unique_ptr<Stage>> make_stages(std::string_view json) {
  const Value list = parse_json_or_throw(json, "test.json", ExitCode::experiment);
  std::vector<std::unique_ptr<Stage>> stages;
  for (const Value& item : list.array()) {
    Problems problems;
    ReadKeys keys(item, "preprocess", problems);
    const std::string op = keys.take("op")->string();
    std::unique_ptr<Stage> stage = new_stage(op);
    const Value* name = keys.take("name");
    stage->name = name ? name->string() : op;
    stage->keys(keys);
    keys.finish();
    problems.throw_if_any();
    stages.push_back(std::move(stage));
  }
  return stages;
}

class TestPipeline {
 public:
  TestPipeline(std::string_view json, Shape image, uint32_t seed = 1)
      : TestPipeline(json, image, seed, make_tested_device(), tested_pipeline(tested_registry())) {}
  TestPipeline(std::string_view json, Shape image, uint32_t seed, std::unique_ptr<Device> device,
               PipelineFactory make)
      : device_(std::move(device)), stages_(make_stages(json)), setup_{{}, image, seed, *device_} {
    for (const auto& stage : stages_) setup_.stages.push_back(stage.get());
    pipeline_ = make(setup_);
  }

  Pipeline& operator*() { return *pipeline_; }
  Pipeline* operator->() { return pipeline_.get(); }
  Device& device() { return *device_; }

  std::vector<float> gather(const PreparedSet& set, const std::vector<int32_t>& order,
                            uint32_t epoch = 0) {
    const auto count = static_cast<int64_t>(order.size());
    const OnDevice<int32_t> rows(*device_, order);
    const OnDevice<StepState> at(*device_, {StepState{.epoch = epoch}});
    // NaN: an element that nobody writes shows.
    const OnDevice<float> batch(*device_,
                                std::vector<float>(count * pipeline_->output().per_sample(),
                                                   std::numeric_limits<float>::quiet_NaN()));
    pipeline_->gather(set, rows.data(), at.data(),
                      packed_view(batch.data(), pipeline_->output().with_batch(count)), nullptr,
                      nullptr);
    return batch.read();
  }

  /// The order of an epoch, as Pipeline::shuffle makes it.
  std::vector<int32_t> shuffle(int64_t count, RandomKey random, uint32_t epoch) {
    const OnDevice<int32_t> order(*device_, std::vector<int32_t>(count, -1));
    pipeline_->shuffle(count, random, epoch, order.data());
    return order.read();
  }

  /// All images, in order.
  std::vector<float> run(const ImageSet& images, bool training = false, uint32_t epoch = 0) {
    const auto set = pipeline_->prepare(images, training);
    std::vector<int32_t> order(set->count());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    return gather(*set, order, epoch);
  }

 private:
  std::unique_ptr<Device> device_;
  std::vector<std::unique_ptr<Stage>> stages_;
  PipelineSetup setup_;
  std::unique_ptr<Pipeline> pipeline_;
};

/// Random bytes; samples first, first + 1, ...
inline ImageSet random_images(Shape shape, int32_t first = 0, uint32_t seed = 99) {
  ImageSet set;
  set.shape = shape;
  set.pixels.resize(shape.elements());
  const RandomKey key{seed, 1};
  for (size_t i = 0; i < set.pixels.size(); ++i) {
    set.pixels[i] = static_cast<uint8_t>(key.draw(static_cast<uint32_t>(i / 4), 0, 0).word[i % 4]);
  }
  for (int64_t i = 0; i < shape.n; ++i) {
    set.samples.push_back(first + static_cast<int32_t>(i));
    set.labels.push_back(static_cast<int32_t>(i % 10));
  }
  return set;
}

inline bool same_floats(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline double largest_difference(const std::vector<float>& a, const double* b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    // Not std::max: it would pass over NaN.
    const double difference = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

}  // namespace engine::test
