// Whole networks and pipelines on the GPU beside the CPU: logits, gradients, recorded training
// steps, the same bits again.

#include <gtest/gtest.h>

#include "engine/core/permutation.h"
#include "engine/cpu/cpu_device.h"
#include "kernels/register.h"
#include "tests/graph/float_set.h"
#include "tests/image/pipeline_support.h"
#include "tests/support/study_network.h"

namespace engine::test {
namespace {

constexpr int64_t kBatch = 8;

SmallNetwork on_cpu(const Value& description) {
  return SmallNetwork(description, register_ops(), make_cpu_device());
}

/// How far a precision may be from the CPU's fp32: errors as shares of the norm. tf32 rounds the
/// factors of products to 11 bits, bf16 all values to 8; sums that nearly cancel, as in the
/// gradient of the stem, lose most.
struct Limits {
  Precision precision;
  double logits, gradients;
  double junctions;      ///< beside the same precision without them
  double loss, weights;  ///< after twenty steps
};

std::ostream& operator<<(std::ostream& stream, const Limits& limits) {
  return stream << to_string(limits.precision);
}

class GpuNetwork : public testing::TestWithParam<Limits> {
 protected:
  GpuNetwork() { gpu_.precision = GetParam().precision; }
  SmallNetwork cpu_ = on_cpu(study_network(kBatch)), gpu_ = SmallNetwork(study_network(kBatch));
};

TEST_P(GpuNetwork, LogitsAreTheCpus) {
  const auto cpu = cpu_.executor(), gpu = gpu_.executor();
  cpu->initialize();
  gpu->initialize();
  EXPECT_TRUE(same_bits(cpu->parameters(), gpu->parameters()));
  const RandomBatch batch(cpu_, 4);
  const std::vector<float> ours = gpu->logits(batch.images, kBatch);
  EXPECT_LT(relative_error(ours, cpu->logits(batch.images, kBatch)), GetParam().logits);
}

TEST_P(GpuNetwork, GradientsAreTheCpus) {
  const auto cpu = cpu_.executor(), gpu = gpu_.executor();
  cpu->initialize();
  gpu->initialize();
  const RandomBatch batch(cpu_, 5);
  std::vector<NamedTensor> theirs, ours;
  const double expected = cpu->gradients(batch.images, batch.labels, true, theirs);
  const double loss = gpu->gradients(batch.images, batch.labels, true, ours);
  EXPECT_NEAR(loss, expected, GetParam().logits * expected);
  expect_near(ours, theirs, GetParam().gradients);
}

/// What joins branches exists on the GPU alone: its gradients beside those of the ops that it is
/// for.
TEST_P(GpuNetwork, JunctionsGiveTheGradientsOfTheOpsThatTheyReplace) {
  const auto joined = gpu_.executor(), apart = gpu_.executor({"join_branches"});
  joined->initialize();
  apart->initialize();
  const RandomBatch batch(gpu_, 5);
  std::vector<NamedTensor> ours, theirs;
  const double expected = apart->gradients(batch.images, batch.labels, true, theirs);
  const double loss = joined->gradients(batch.images, batch.labels, true, ours);
  EXPECT_NEAR(loss, expected, GetParam().logits * expected);
  expect_near(ours, theirs, GetParam().junctions);
}

/// Twenty steps of an epoch, recorded and replayed where the device can; the last batch is smaller.
struct Trained {
  explicit Trained(SmallNetwork& network, std::vector<std::string> without_passes = {}) {
    const bool gpu = network.device->kind() == "cuda";
    const PipelineFactory make =
        gpu ? network.registry.cuda_pipeline : network.registry.cpu_pipeline;
    const auto pipeline =
        make({.stages = {}, .image = network.image, .seed = 1, .device = *network.device});
    const ImageSet images = random_images(network.image.with_batch(20 * kBatch - 3), 100);
    std::vector<int32_t> order;
    for (size_t i = images.labels.size(); i-- > 0;) order.push_back(static_cast<int32_t>(i));
    const auto set = pipeline->prepare(images, true);
    const auto executor = executor_with(network, *pipeline, 1, std::move(without_passes));
    executor->begin_epoch(*set, order, 2);
    while (executor->train(5, [](uint64_t step) { return 1e-3 / (1.0 + step); }) > 0) {
    }
    state = executor->state();
    totals = executor->totals();
    weights = executor->parameters();
    evaluation = executor->evaluate(*set);
  }
  StepState state;
  Totals totals, evaluation;
  std::vector<NamedTensor> weights;
};

TEST_P(GpuNetwork, TrainsTwentyStepsLikeTheCpu) {
  const Trained cpu(cpu_), gpu(gpu_);
  EXPECT_EQ(gpu.state.step, 20u);
  EXPECT_EQ(gpu.totals.samples, cpu.totals.samples);
  EXPECT_EQ(gpu.state.learning_rate, cpu.state.learning_rate);
  EXPECT_NEAR(gpu.totals.loss, cpu.totals.loss, GetParam().loss * cpu.totals.loss);
  EXPECT_NEAR(gpu.evaluation.loss, cpu.evaluation.loss, GetParam().loss * cpu.evaluation.loss);
  expect_near(gpu.weights, cpu.weights, GetParam().weights);
}

TEST_P(GpuNetwork, GivesTheSameBitsAgain) {
  const Trained first(gpu_), again(gpu_);
  EXPECT_TRUE(same_bits(first.weights, again.weights));
  EXPECT_EQ(first.totals.loss, again.totals.loss);
}

TEST_P(GpuNetwork, GivesTheSameBitsOnOneStream) {
  const Trained beside(gpu_), alone(gpu_, {"side_streams"});
  EXPECT_TRUE(same_bits(beside.weights, alone.weights));
  EXPECT_EQ(beside.totals.loss, alone.totals.loss);
}

INSTANTIATE_TEST_SUITE_P(Precision, GpuNetwork,
                         testing::Values(Limits{Precision::fp32, 1e-5, 1e-4, 1e-5, 1e-3, 2e-2},
                                         Limits{Precision::tf32, 1e-2, 0.06, 1e-2, 1e-2, 0.2},
                                         Limits{Precision::bf16, 3e-2, 0.2, 0.1, 3e-2, 0.5}),
                         [](const auto& info) {
                           return std::string(to_string(info.param.precision));
                         });

// Every draw of random numbers, and the order of rows: with a pipeline that only moves and draws,
// nothing may differ.
TEST(GpuPipeline, GivesTheBitsOfTheCpu) {
  const Shape shape{1, 9, 11, 3};
  const ImageSet images = random_images(shape.with_batch(40), 1000);
  const std::vector<int32_t> order{39, 0, 17, 17, 5, 38, 1};
  for (const char* json :
       {R"([])", R"([{"op": "noise", "sigma": 0.3}])",
        R"([{"op": "noise", "sigma": 0.3, "when": "every_epoch"}])",
        R"([{"op": "grayscale"}, {"op": "smooth", "sigma": 1.2}, {"op": "normalize"}])",
        R"([{"op": "random_crop", "padding": 3}, {"op": "random_flip"},
            {"op": "noise", "sigma": 0.1, "when": "every_epoch"},
            {"op": "smooth", "sigma": 0.8, "when": "every_epoch"}])"}) {
    TestPipeline cpu(json, shape, 77, make_cpu_device(), register_ops().cpu_pipeline);
    TestPipeline gpu(json, shape, 77);
    for (TestPipeline* each : {&cpu, &gpu}) (*each)->measure(images);
    EXPECT_EQ(gpu->statistics(), cpu->statistics()) << json;
    const auto theirs = cpu->prepare(images, true), ours = gpu->prepare(images, true);
    EXPECT_TRUE(same_floats(gpu.gather(*ours, order, 3), cpu.gather(*theirs, order, 3))) << json;
  }
}

// Counts of one tile and of many of the sort, of whole and of broken warps.
TEST(GpuPipeline, ShufflesLikeTheCpu) {
  TestPipeline gpu("[]", Shape{1, 1, 1, 1});
  for (const int64_t count : {1, 2, 31, 1000, 40000}) {
    for (const uint32_t seed : {0u, 1u, 4000000000u}) {
      for (const uint32_t epoch : {0u, 1u, 99u}) {
        const RandomKey random{seed, random_stream("shuffle", "train")};
        EXPECT_TRUE(gpu.shuffle(count, random, epoch) == permutation(count, random, epoch))
            << count << " " << seed << " " << epoch;
      }
    }
  }
}

}  // namespace
}  // namespace engine::test
