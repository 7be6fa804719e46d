// Whole networks on the emulated GPU beside the CPU: the same kernels, plan, recorded step and
// state on the device that a GPU would run.

#include <gtest/gtest.h>

#include <cmath>

#include "engine/cpu/cpu_device.h"
#include "kernels/register.h"
#include "tests/emulation/emulator.h"
#include "tests/graph/float_set.h"
#include "tests/support/study_network.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

struct Pair {
  explicit Pair(const Value& description)
      : cpu(description, register_ops(), make_cpu_device()), gpu(description) {}
  SmallNetwork cpu, gpu;
};

TEST(EmulatedNetwork, TheStudysGradientsAreTheCpus) {
  Pair pair(study_network(4));
  const auto cpu = pair.cpu.executor(), gpu = pair.gpu.executor();
  cpu->initialize();
  gpu->initialize();
  EXPECT_TRUE(same_bits(cpu->parameters(), gpu->parameters()));
  const RandomBatch batch(pair.cpu, 5);
  std::vector<NamedTensor> theirs, ours;
  const double expected = cpu->gradients(batch.images, batch.labels, true, theirs);
  const double loss = gpu->gradients(batch.images, batch.labels, true, ours);
  EXPECT_NEAR(loss, expected, 1e-5 * expected);
  expect_near(ours, theirs, 1e-4);
}

uint64_t launches_of(const std::string& kernel) {
  const auto found = emulated::launches().find(kernel);
  return found == emulated::launches().end() ? 0 : found->second.count;
}

TEST(EmulatedNetwork, JunctionsGiveTheGradientsOfTheOpsThatTheyReplace) {
  for (const std::string& text : {to_json(study_network(4)), std::string(kEverything)}) {
    SmallNetwork network = SmallNetwork::from_text(text);
    const auto joined = network.executor(), apart = network.executor({"join_branches"});
    joined->initialize();
    apart->initialize();
    const RandomBatch batch(network, 5);
    std::vector<NamedTensor> ours, theirs;
    const uint64_t before = launches_of("junction_backward");
    const double expected = apart->gradients(batch.images, batch.labels, true, theirs);
    EXPECT_EQ(launches_of("junction_backward"), before);
    EXPECT_EQ(joined->gradients(batch.images, batch.labels, true, ours), expected);
    EXPECT_GT(launches_of("junction_backward"), before);
    expect_near(ours, theirs, 1e-5);
    // Where inputs do not lie in the junction's output yet, it copies them.
    const auto copying = network.executor({"concat_placement"});
    copying->initialize();
    const uint64_t copied = launches_of("junction_forward");
    EXPECT_EQ(copying->gradients(batch.images, batch.labels, true, ours), expected);
    EXPECT_GT(launches_of("junction_forward"), copied);
    expect_near(ours, theirs, 1e-5);
  }
}

/// Every product's factors are rounded to 8 bits. PyTorch's bf16 autocast parts as far from its own
/// float32 here: 12 % in the stem's weights, where the sums cancel most, 1 to 3 % elsewhere.
TEST(EmulatedNetwork, TheStudysGradientsAreTheCpusInBf16) {
  Pair pair(study_network(4));
  pair.gpu.precision = Precision::bf16;
  const auto cpu = pair.cpu.executor(), gpu = pair.gpu.executor();
  cpu->initialize();
  gpu->initialize();
  const RandomBatch batch(pair.cpu, 5);
  std::vector<NamedTensor> theirs, ours;
  const double expected = cpu->gradients(batch.images, batch.labels, true, theirs);
  const double loss = gpu->gradients(batch.images, batch.labels, true, ours);
  EXPECT_NE(loss, expected);
  EXPECT_NEAR(loss, expected, 1e-2 * expected);
  expect_near(ours, theirs, 0.2);
}

/// Trains an epoch of so many images; the pipeline is the device's own.
struct Trained {
  Trained(SmallNetwork& network, int64_t count) {
    const bool gpu = network.device->kind() == "cuda";
    const PipelineFactory make =
        gpu ? network.registry.cuda_pipeline : network.registry.cpu_pipeline;
    const auto pipeline =
        make({.stages = {}, .image = network.image, .seed = 1, .device = *network.device});
    ImageSet images{.shape = network.image.with_batch(count)};
    images.pixels.resize(static_cast<size_t>(images.shape.elements()));
    for (size_t i = 0; i < images.pixels.size(); ++i) images.pixels[i] = i * i * 37 % 251;
    std::vector<int32_t> order;
    for (int32_t i = 0; i < count; ++i) {
      images.labels.push_back(i * 7 % static_cast<int32_t>(network.context.classes));
      images.samples.push_back(100 + i);
      order.push_back(static_cast<int32_t>(count) - 1 - i);
    }
    const auto set = pipeline->prepare(images, true);
    const auto executor = executor_with(network, *pipeline);
    executor->begin_epoch(*set, order, 2);
    const uint64_t before = emulated::calls();
    while (executor->train(2, [](uint64_t step) { return 1e-3 / (1.0 + step); }) > 0) {
    }
    calls = emulated::calls() - before;
    state = executor->state();
    totals = executor->totals();
    weights = executor->parameters();
    evaluation = executor->evaluate(*set);
  }
  StepState state;
  Totals totals, evaluation;
  std::vector<NamedTensor> weights;
  uint64_t calls = 0;  ///< of the runtime, from the first step to the last
};

/// The two devices round differently, and so a pooling window may take the other of two values that
/// are almost equal; the gradient then jumps. Measured with kernels compiled at -O1: first moments
/// agree to 1.3e-6 in the stem after one step and to 2.4e-5 everywhere after two. In the third step
/// they part by 1.7e-3 in inception_b.conv3x3's weights, all of it in channel 51 of 192, while its
/// bias, whose gradient does not ask where in the window it came from, agrees to 2.3e-6; all of
/// inception_a and the stem are off by 5e-4 to 3e-3 then, all else by less than 3e-5.
TEST(EmulatedNetwork, TheStudyTrainsThreeStepsLikeTheCpu) {
  Pair pair(study_network(4));
  const Trained cpu(pair.cpu, 11), gpu(pair.gpu, 11);  // two whole batches and one of 3
  EXPECT_EQ(gpu.state.step, 3u);
  EXPECT_EQ(gpu.state.position, 11u);
  EXPECT_EQ(gpu.totals.samples, 11u);
  EXPECT_EQ(gpu.state.learning_rate, cpu.state.learning_rate);
  EXPECT_NEAR(gpu.totals.loss, cpu.totals.loss, 1e-4 * cpu.totals.loss);
  EXPECT_NEAR(gpu.evaluation.loss, cpu.evaluation.loss, 1e-3 * cpu.evaluation.loss);
  expect_near(gpu.weights, cpu.weights, 2e-3);
}

TEST(EmulatedNetwork, GivesTheSameBitsAgain) {
  for (const Precision precision : tested_precisions()) {
    SmallNetwork one = SmallNetwork::from_text(kEverything);
    SmallNetwork two = SmallNetwork::from_text(kEverything);
    one.precision = two.precision = precision;
    const Trained first(one, 10), again(two, 10);
    EXPECT_EQ(first.state.step, 3u);
    EXPECT_TRUE(same_bits(first.weights, again.weights)) << to_string(precision);
    EXPECT_EQ(first.totals.loss, again.totals.loss) << to_string(precision);
  }
}

TEST(EmulatedNetwork, KeepsMasterWeightsInSinglePrecision) {
  SmallNetwork network = SmallNetwork::from_text(kEverything);
  network.precision = Precision::bf16;
  const auto executor = network.executor();
  executor->initialize();
  const std::vector<NamedTensor> before = executor->parameters();
  const RandomBatch batch(network, 3);
  // So small a step that no weight's rounding to bf16 changes.
  for (int step = 0; step < 4; ++step) executor->step_on(batch.images, batch.labels, 1e-6, true);
  const std::vector<NamedTensor> after = executor->parameters();
  EXPECT_FALSE(same_bits(before, after));
  executor->set_parameters(after);
  EXPECT_TRUE(same_bits(executor->parameters(), after));
}

TEST(EmulatedNetwork, ReplaysAWholeStepAtOnce) {
  SmallNetwork network = SmallNetwork::from_text(kEverything);
  const Trained few(network, 8), many(network, 40);
  EXPECT_EQ(few.state.step, 2u);
  EXPECT_EQ(many.state.step, 10u);
  // Two steps more are two launches more, and what train() does before and after them.
  EXPECT_EQ((many.calls - few.calls) % 4, 0u);
  EXPECT_LE((many.calls - few.calls) / 4, 2u + 12);
}

}  // namespace
}  // namespace engine::test
