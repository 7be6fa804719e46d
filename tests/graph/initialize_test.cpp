#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/graph/parameter_store.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

using Kind = Initializer::Kind;

struct Moments {
  double mean = 0, deviation = 0, least = 0, most = 0;
};

Moments moments_of(Kind kind) {
  std::vector<float> values(200000);
  draw_initial({kind, 30, 20}, "node.weight", 7, values);
  Moments found;
  for (const float value : values) found.mean += value / static_cast<double>(values.size());
  for (const float value : values) found.deviation += std::pow(value - found.mean, 2);
  found.deviation = std::sqrt(found.deviation / static_cast<double>(values.size()));
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  found.least = *least;
  found.most = *most;
  return found;
}

TEST(Initialize, UniformFillsItsRange) {
  for (const auto& [kind, limit] : {std::pair{Kind::glorot_uniform, std::sqrt(6.0 / 50)},
                                    std::pair{Kind::he_uniform, std::sqrt(6.0 / 30)}}) {
    const Moments found = moments_of(kind);
    EXPECT_NEAR(found.mean, 0, 5 * limit / std::sqrt(3.0 * 200000));
    EXPECT_NEAR(found.deviation, limit / std::sqrt(3.0), 0.01 * limit);
    EXPECT_GE(found.least, -limit * 1.000001);
    EXPECT_LE(found.most, limit * 1.000001);
    EXPECT_GT(found.most - found.least, 1.999 * limit);
  }
}

/// As Keras: the deviation is that of the truncated distribution, which ends at 2 / 0.8796 of it.
TEST(Initialize, NormalIsTruncatedAtTwoDeviations) {
  for (const auto& [kind, deviation] : {std::pair{Kind::glorot_normal, std::sqrt(2.0 / 50)},
                                        std::pair{Kind::he_normal, std::sqrt(2.0 / 30)}}) {
    const Moments found = moments_of(kind);
    EXPECT_NEAR(found.mean, 0, 5 * deviation / std::sqrt(200000.0));
    EXPECT_NEAR(found.deviation, deviation, 0.01 * deviation);
    const double end = 2 * deviation / 0.87962566103423978;
    EXPECT_LE(found.most, end * 1.000001);
    EXPECT_GT(found.most, 0.99 * end);
    EXPECT_GE(found.least, -end * 1.000001);
    EXPECT_LT(found.least, -0.99 * end);
  }
}

TEST(Initialize, ZerosAndOnes) {
  std::vector<float> values(5, 7.0f);
  draw_initial({Kind::zeros, 1, 1}, "a.bias", 1, values);
  EXPECT_EQ(values, std::vector<float>(5, 0.0f));
  draw_initial({Kind::ones, 1, 1}, "a.weight", 1, values);
  EXPECT_EQ(values, std::vector<float>(5, 1.0f));
}

constexpr std::string_view kPlain = R"({"image": [8, 8, 2], "classes": 3, "batch": 2,
  "network": {"nodes": [
    {"name": "a", "op": "conv2d", "filters": 4, "kernel": 3},
    {"name": "gap", "op": "global_average_pool"},
    {"name": "fc", "op": "dense", "units": 3}]}})";
constexpr std::string_view kOneMore = R"({"image": [8, 8, 2], "classes": 3, "batch": 2,
  "network": {"nodes": [
    {"name": "a", "op": "conv2d", "filters": 4, "kernel": 3},
    {"name": "more", "op": "conv2d", "filters": 4, "kernel": 3},
    {"name": "gap", "op": "global_average_pool"},
    {"name": "fc", "op": "dense", "units": 3}]}})";

std::vector<NamedTensor> initialized(std::string_view json, uint32_t seed) {
  const SmallNetwork network = SmallNetwork::from_text(json);
  ExecutorSetup setup = network.setup();
  setup.seed = seed;
  Executor executor(setup);
  executor.initialize();
  return executor.parameters();
}

TEST(Initialize, OneMoreNodeChangesNoOther) {
  const auto plain = initialized(kPlain, 1), more = initialized(kOneMore, 1);
  EXPECT_EQ(tensor(plain, "a.weight").bytes, tensor(more, "a.weight").bytes);
  EXPECT_EQ(tensor(plain, "fc.weight").bytes, tensor(more, "fc.weight").bytes);
  EXPECT_NE(tensor(plain, "a.weight").bytes, tensor(initialized(kPlain, 2), "a.weight").bytes);
}

/// The files' layout, whatever the kernels store: fans of OIHW weights, values in that order.
TEST(Initialize, DrawsInTheFilesLayout) {
  const NamedTensor weight = tensor(initialized(kPlain, 1), "a.weight");
  ASSERT_EQ(weight.dims, (std::vector<int64_t>{4, 2, 3, 3}));
  std::vector<float> expected(72);
  draw_initial({Kind::glorot_uniform, 18, 36}, "a.weight", 1, expected);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), weight.f32()));
}

}  // namespace
}  // namespace engine::test
