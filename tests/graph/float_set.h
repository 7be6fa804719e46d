#pragma once

// A data set of float images in host memory, for executors on the CPU: values that uint8 cannot
// hold (NaN, negative ones) and no preprocessing.

#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/core/permutation.h"
#include "tests/support/small_network.h"

namespace engine::test {

class FloatSet : public PreparedSet {
 public:
  FloatSet(const SmallNetwork& network, uint32_t seed, int64_t count)
      : data(network, seed, count), elements(network.image.per_sample()), count_(count) {}
  int64_t count() const override { return count_; }
  size_t bytes() const override { return data.images.size() * sizeof(float); }
  std::vector<int32_t> order() const {
    std::vector<int32_t> rows(static_cast<size_t>(count_));
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }
  std::span<const float> images(int64_t first, int64_t count) const {
    return std::span(data.images).subspan(first * elements, count * elements);
  }
  std::span<const int32_t> labels(int64_t first, int64_t count) const {
    return std::span(data.labels).subspan(first, count);
  }

  RandomBatch data;
  int64_t elements;

 private:
  int64_t count_;
};

class FloatPipeline : public Pipeline {
 public:
  explicit FloatPipeline(Shape image) : image_(image) {}
  Shape output() const override { return image_; }
  void measure(const ImageSet&) override {}
  std::vector<double> statistics() const override { return {}; }
  void set_statistics(std::span<const double>) override {}
  std::unique_ptr<PreparedSet> prepare(const ImageSet&, bool) override { return nullptr; }
  void gather(const PreparedSet& from, const int32_t* order, const StepState* at,
              const TensorView& batch, int32_t* labels, int32_t* samples) override {
    const auto& set = static_cast<const FloatSet&>(from);
    order += at->position;
    for (int64_t i = 0; i < batch.shape.n; ++i) {
      std::memcpy(batch.f32() + i * set.elements, set.data.images.data() + order[i] * set.elements,
                  static_cast<size_t>(set.elements) * sizeof(float));
      labels[i] = set.data.labels[static_cast<size_t>(order[i])];
      samples[i] = order[i];
    }
  }
  void advance(StepState* at, int64_t rows) override {
    at->position += static_cast<uint64_t>(rows);
  }
  void shuffle(int64_t count, RandomKey random, uint32_t epoch, int32_t* order) override {
    const std::vector<int32_t> rows = permutation(count, random, epoch);
    std::copy(rows.begin(), rows.end(), order);
  }

 private:
  Shape image_;
};

inline std::unique_ptr<Executor> executor_with(const SmallNetwork& network, Pipeline& pipeline,
                                               uint32_t seed = 1,
                                               std::vector<std::string> without_passes = {}) {
  ExecutorSetup setup = network.setup();
  setup.pipeline = &pipeline;
  setup.seed = seed;
  setup.without_passes = std::move(without_passes);
  auto executor = std::make_unique<Executor>(setup);
  executor->initialize();
  return executor;
}

/// Something of everything: convolutions of several kinds, pools, normalization, fan-out, residual,
/// concat, dropout.
inline constexpr std::string_view kEverything = R"({
  "image": [12, 12, 2], "classes": 5, "batch": 4,
  "optimizer": {"type": "adam", "learning_rate": 0.001},
  "network": {"nodes": [
    {"name": "stem", "op": "conv2d", "filters": 8, "kernel": 5, "stride": 2, "activation": "relu"},
    {"name": "bn", "op": "batch_normalization"},
    {"name": "silu", "op": "activation", "function": "silu"},
    {"name": "drop1", "op": "dropout", "rate": 0.25},
    {"name": "conv1x1", "op": "conv2d", "filters": 8, "kernel": 1, "activation": "relu"},
    {"name": "conv3x3", "op": "conv2d", "input": "drop1", "filters": 8, "kernel": 3},
    {"name": "relu", "op": "activation", "function": "relu"},
    {"name": "depthwise", "op": "conv2d", "input": "drop1", "filters": 8, "kernel": 3, "groups": 8,
     "activation": "gelu"},
    {"name": "max", "op": "max_pool", "input": "drop1", "kernel": 3, "stride": 1},
    {"name": "mean", "op": "average_pool", "input": "drop1", "kernel": 3, "stride": 1},
    {"name": "sum", "op": "add", "inputs": ["relu", "drop1"]},
    {"name": "stack", "op": "concat",
     "inputs": ["conv1x1", "sum", "depthwise", "max", "mean"]},
    {"name": "pool", "op": "max_pool", "kernel": 2, "stride": 2},
    {"name": "wide", "op": "conv2d", "filters": 16, "kernel": 3, "dilation": 2,
     "activation": "tanh"},
    {"name": "gap", "op": "global_average_pool"},
    {"name": "flat", "op": "flatten", "input": "wide"},
    {"name": "dense1", "op": "dense", "units": 16, "activation": "relu"},
    {"name": "both", "op": "concat", "inputs": ["gap", "dense1"]},
    {"name": "drop2", "op": "dropout", "rate": 0.5},
    {"name": "classifier", "op": "dense", "units": "classes"}]}})";

/// A small relative of the study's network.
inline constexpr std::string_view kInception = R"({
  "image": [12, 12, 1], "classes": 5, "batch": 4,
  "optimizer": {"type": "adam", "learning_rate": 0.001},
  "network": {"nodes": [
    {"name": "stem", "op": "conv2d", "filters": 8, "kernel": 7, "stride": 2, "activation": "relu"},
    {"name": "conv1x1", "op": "conv2d", "filters": 8, "kernel": 1, "activation": "relu"},
    {"name": "conv3x3", "op": "conv2d", "input": "stem", "filters": 8, "kernel": 3,
     "activation": "relu"},
    {"name": "conv5x5", "op": "conv2d", "input": "stem", "filters": 8, "kernel": 5,
     "activation": "relu"},
    {"name": "pool", "op": "max_pool", "input": "stem", "kernel": 3, "stride": 1},
    {"name": "pool_proj", "op": "conv2d", "filters": 8, "kernel": 1, "activation": "relu"},
    {"name": "stack", "op": "concat", "inputs": ["conv1x1", "conv3x3", "conv5x5", "pool_proj"]},
    {"name": "bn", "op": "batch_normalization"},
    {"name": "relu", "op": "activation", "function": "relu"},
    {"name": "drop1", "op": "dropout", "rate": 0.5},
    {"name": "gap", "op": "global_average_pool"},
    {"name": "drop2", "op": "dropout", "rate": 0.5},
    {"name": "classifier", "op": "dense", "units": "classes"}]}})";

/// "everything" without the convolutions that the CPU leaves to oneDNN.
inline std::string own_kernels_only() {
  std::string text(kEverything);
  for (const std::string_view attribute : {R"("groups": 8,)", R"("dilation": 2,)"}) {
    text.erase(text.find(attribute), attribute.size());
  }
  return text;
}

inline std::string example(std::string_view name) {
  if (name == "everything") return std::string(kEverything);
  if (name == "own_kernels") return own_kernels_only();
  return std::string(kInception);
}

}  // namespace engine::test
