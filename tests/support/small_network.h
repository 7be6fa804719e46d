#pragma once

// Networks for tests from a few lines of JSON, on the CPU and without an experiment around them.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/json.h"
#include "engine/core/registry.h"
#include "engine/graph/executor.h"

namespace engine::test {

/// Runs on one thread; a test that wants more calls set_threads() after it has made one.
/// {"image": [h, w, c], "classes": 10, "batch": 8, "network": {...}, "optimizer": {...},
///  "label_smoothing": 0}; the last two may be absent (no training, 0).
struct SmallNetwork {
  /// On the tested device (tested_device.h), or on another with the kernels that ops has for it.
  explicit SmallNetwork(const Value& description);
  SmallNetwork(const Value& description, Registry ops, std::unique_ptr<Device> on);
  static SmallNetwork from_text(std::string_view json);
  static SmallNetwork from_file(const std::string& path);

  ExecutorSetup setup() const;
  std::unique_ptr<Executor> executor(std::vector<std::string> without_passes = {}) const;

  Registry registry;
  std::unique_ptr<Device> device;
  NetworkSpec network;
  Shape image;
  InferContext context;
  int64_t batch = 1;
  double label_smoothing = 0;
  Precision precision = Precision::fp32;
  std::unique_ptr<Optimizer> optimizer;
};

/// Images and labels from the counter generator: the same for every machine.
struct RandomBatch {
  RandomBatch(const SmallNetwork& network, uint32_t seed, int64_t count = 0);
  std::vector<float> images;  ///< standard normal
  std::vector<int32_t> labels;
};

const NamedTensor& tensor(std::span<const NamedTensor> tensors, std::string_view name);
std::span<const float> values(const NamedTensor& tensor);
/// |a - b| / max(|b|, tiny), Euclidean.
double relative_error(std::span<const float> a, std::span<const float> b);
/// Expects the same names in the same order, and each tensor's relative error below the limit.
void expect_near(std::span<const NamedTensor> a, std::span<const NamedTensor> b, double limit);
/// All tensors of two lists hold the same bits under the same names.
bool same_bits(std::span<const NamedTensor> a, std::span<const NamedTensor> b);

}  // namespace engine::test
