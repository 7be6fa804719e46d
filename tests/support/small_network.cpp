#include "tests/support/small_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/core/keys_reader.h"
#include "engine/core/random.h"
#include "engine/cpu/cpu_device.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

std::unique_ptr<Optimizer> read_optimizer(const Value& value, const Registry& registry,
                                          Problems& problems) {
  ReadKeys reader(value, "optimizer", problems);
  const OptimizerEntry* entry = registry.optimizer(reader.take("type")->string());
  std::unique_ptr<Optimizer> optimizer = entry->make();
  optimizer->keys(reader);
  reader.finish();
  return optimizer;
}

}  // namespace

SmallNetwork::SmallNetwork(const Value& description)
    : SmallNetwork(description, tested_registry(), make_tested_device()) {}

SmallNetwork::SmallNetwork(const Value& description, Registry ops, std::unique_ptr<Device> on)
    : registry(std::move(ops)), device(std::move(on)) {
  // These networks are too small for more, and threads that wait for each other on a busy machine
  // take a hundred times as long.
  set_threads(1);
  Problems problems;
  network = read_network(*description.find("network"), registry, problems);
  const Array& size = description.find("image")->array();
  image = {1, size[0].integer(), size[1].integer(), size[2].integer()};
  context.classes = description.find("classes")->integer();
  batch = description.find("batch")->integer();
  if (const Value* smoothing = description.find("label_smoothing")) {
    label_smoothing = smoothing->number();
  }
  if (const Value* value = description.find("optimizer")) {
    optimizer = read_optimizer(*value, registry, problems);
  }
  problems.throw_if_any();
}

SmallNetwork SmallNetwork::from_text(std::string_view json) {
  return SmallNetwork(parse_json_or_throw(json, "test.json", ExitCode::experiment));
}

SmallNetwork SmallNetwork::from_file(const std::string& path) {
  return SmallNetwork(parse_json_or_throw(read_json_text(path), path, ExitCode::experiment));
}

ExecutorSetup SmallNetwork::setup() const {
  return {.network = network,
          .image = image,
          .context = context,
          .registry = registry,
          .device = *device,
          .optimizer = optimizer.get(),
          .batch = batch,
          .evaluation_batch = batch,
          .label_smoothing = label_smoothing,
          .precision = precision};
}

std::unique_ptr<Executor> SmallNetwork::executor(std::vector<std::string> without_passes) const {
  ExecutorSetup all = setup();
  all.without_passes = std::move(without_passes);
  return std::make_unique<Executor>(all);
}

RandomBatch::RandomBatch(const SmallNetwork& network, uint32_t seed, int64_t count) {
  if (count == 0) count = network.batch;
  images.resize(static_cast<size_t>(count * network.image.per_sample()));
  const RandomKey key{seed, random_stream("test", "images")};
  for (size_t i = 0; i < images.size(); ++i) {
    const Philox4 words = key.draw(static_cast<uint32_t>(i / 2), 0, 0);
    float first = 0, second = 0;
    normals_from_bits(words.word[0], words.word[1], first, second);
    images[i] = i % 2 ? second : first;
  }
  const auto classes = static_cast<uint32_t>(network.context.classes);
  for (int64_t i = 0; classes > 0 && i < count; ++i) {
    labels.push_back(
        static_cast<int32_t>(key.draw(static_cast<uint32_t>(i), 1, 0).word[0] % classes));
  }
}

const NamedTensor& tensor(std::span<const NamedTensor> tensors, std::string_view name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& each) { return each.name == name; });
  if (found == tensors.end()) throw std::runtime_error("no tensor " + std::string(name));
  return *found;
}

std::span<const float> values(const NamedTensor& tensor) {
  return {tensor.f32(), static_cast<size_t>(tensor.elements())};
}

double relative_error(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), 1e-30);
}

void expect_near(std::span<const NamedTensor> a, std::span<const NamedTensor> b, double limit) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_LT(relative_error(values(a[i]), values(b[i])), limit) << a[i].name;
  }
}

bool same_bits(std::span<const NamedTensor> a, std::span<const NamedTensor> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const NamedTensor& x, const NamedTensor& y) {
                      return x.name == y.name && x.dims == y.dims && x.bytes == y.bytes;
                    });
}

}  // namespace engine::test
