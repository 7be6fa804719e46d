#include "engine/graph/executor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "engine/cpu/cpu_device.h"
#include "engine/graph/passes.h"
#include "tests/graph/float_set.h"

namespace engine::test {
namespace {

double rate(uint64_t) {
  return 1e-3;
}

class ExecutorTest : public testing::Test {
 protected:
  SmallNetwork network_ = SmallNetwork::from_text(kEverything);
  FloatPipeline pipeline_{network_.image};

  std::unique_ptr<Executor> make(uint32_t seed = 1) {
    return executor_with(network_, pipeline_, seed);
  }
  /// Parameters after some epochs over a set of 10 samples in batches of 4, 4 and 2.
  std::vector<NamedTensor> trained(uint32_t seed = 1) {
    auto executor = make(seed);
    const FloatSet set(network_, 7, 10);
    for (uint32_t epoch = 0; epoch < 2; ++epoch) {
      executor->begin_epoch(set, set.order(), epoch);
      EXPECT_EQ(executor->train(100, rate), 3);
      EXPECT_EQ(executor->train(100, rate), 0);
    }
    return executor->parameters();
  }
};

void continue_from(Executor& executor, const Executor& other) {
  executor.set_parameters(other.parameters());
  executor.set_moments(other.moments());
  executor.set_state(other.state());
}

TEST_F(ExecutorTest, SameSeedSameBits) {
  const auto first = trained();
  EXPECT_TRUE(same_bits(first, trained()));
  EXPECT_FALSE(same_bits(first, trained(2)));
}

/// The same number of threads, the same bits; for the engine's own kernels any number. (oneDNN's
/// sum weight gradients thread by thread, so networks that take them keep to the first half.)
TEST_F(ExecutorTest, ThreadsDoNotChangeTheBits) {
  const int before = threads();
  set_threads(2);
  EXPECT_TRUE(same_bits(trained(), trained()));
  network_ = SmallNetwork::from_text(kInception);
  pipeline_ = FloatPipeline(network_.image);
  set_threads(2);
  const auto two = trained();
  set_threads(1);
  const auto one = trained();
  set_threads(before);
  EXPECT_TRUE(same_bits(one, two));
}

TEST_F(ExecutorTest, TrainingMovesEveryParameter) {
  const auto before = make()->parameters();
  const auto after = trained();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_NE(before[i].bytes, after[i].bytes) << before[i].name;
  }
}

TEST_F(ExecutorTest, TheLastIncompleteBatchIsExact) {
  auto executor = make();
  const FloatSet set(network_, 7, 6);
  executor->begin_epoch(set, set.order(), 0);
  ASSERT_EQ(executor->train(10, rate), 2);

  auto whole = make();  // the first four
  const double first = whole->step_on(set.images(0, 4), set.labels(0, 4), 1e-3, true);
  network_.batch = 2;  // the last two, in an executor of that batch size
  const std::vector<int32_t> rest{4, 5};
  auto part = make();
  continue_from(*part, *whole);
  part->begin_epoch(set, rest, 0);
  ASSERT_EQ(part->train(10, rate), 1);
  EXPECT_TRUE(same_bits(executor->parameters(), part->parameters()));
  EXPECT_TRUE(same_bits(executor->moments(), part->moments()));
  const Totals totals = executor->totals();
  EXPECT_EQ(totals.samples, 6u);
  EXPECT_NEAR(totals.loss, (4 * first + 2 * part->totals().loss) / 6, 1e-12);
}

TEST_F(ExecutorTest, ContinuesInTheMiddleOfAnEpoch) {
  const FloatSet set(network_, 7, 10);
  auto executor = make();
  executor->begin_epoch(set, set.order(), 3);
  ASSERT_EQ(executor->train(1, rate), 1);
  auto other = make(1);
  other->begin_epoch(set, set.order(), 3);
  continue_from(*other, *executor);
  EXPECT_EQ(executor->train(10, rate), 2);
  EXPECT_EQ(other->train(10, rate), 2);
  EXPECT_TRUE(same_bits(executor->parameters(), other->parameters()));
  EXPECT_EQ(executor->totals().loss, other->totals().loss);
  EXPECT_EQ(executor->state().step, 3u);
}

TEST_F(ExecutorTest, ShufflesAsToldOrByItself) {
  const FloatSet set(network_, 7, 10);
  auto told = make(), itself = make();
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    told->begin_epoch(set, permutation(10, {3, 4}, epoch), epoch);
    itself->begin_epoch(set, RandomKey{3, 4}, epoch);
    EXPECT_EQ(told->train(100, rate), 3);
    EXPECT_EQ(itself->train(100, rate), 3);
  }
  EXPECT_TRUE(same_bits(itself->parameters(), told->parameters()));
  EXPECT_EQ(itself->totals().loss, told->totals().loss);
  const std::vector<int32_t> wrong{0, 10};
  EXPECT_THROW(told->begin_epoch(set, wrong, 0), Error);
}

TEST_F(ExecutorTest, LearningRateIsAskedForEachStep) {
  const FloatSet set(network_, 7, 12);
  auto executor = make();
  std::vector<uint64_t> steps;
  executor->begin_epoch(set, set.order(), 0);
  executor->train(3, [&](uint64_t step) {
    steps.push_back(step);
    return 0.0;
  });
  EXPECT_EQ(steps, (std::vector<uint64_t>{0, 1, 2}));
}

TEST_F(ExecutorTest, EvaluationIsTheSameForEveryBatchSizeAndDisturbsNothing) {
  const FloatSet set(network_, 9, 11);
  auto executor = make();
  executor->begin_epoch(set, set.order(), 0);
  executor->train(1, rate);
  const StepState state = executor->state();
  const auto parameters = executor->parameters();
  const Totals totals = executor->evaluate(set);
  EXPECT_EQ(totals.samples, 11u);
  EXPECT_EQ(executor->state().loss_sum, state.loss_sum);
  EXPECT_EQ(executor->state().position, state.position);
  EXPECT_TRUE(same_bits(executor->parameters(), parameters));

  const std::vector<float> logits = executor->logits(set);
  ASSERT_EQ(logits.size(), 11u * 5u);
  double loss = 0;
  int correct = 0;
  for (size_t row = 0; row < 11; ++row) {  // cross-entropy from its definition
    const float* x = logits.data() + row * 5;
    double sum = 0;
    for (int k = 0; k < 5; ++k) sum += std::exp(static_cast<double>(x[k]));
    const int32_t label = set.data.labels[row];
    loss += std::log(sum) - x[label];
    correct += std::max_element(x, x + 5) - x == label;
  }
  EXPECT_NEAR(totals.loss, loss / 11, 1e-6);
  EXPECT_NEAR(totals.accuracy, correct / 11.0, 1e-12);
  for (const int64_t count : {1, 3}) {
    const auto some = executor->logits(set.images(0, count), count);
    for (size_t i = 0; i < some.size(); ++i) EXPECT_NEAR(some[i], logits[i], 1e-5);
  }
}

TEST_F(ExecutorTest, PassesChangeNothing) {
  const RandomBatch batch(network_, 5);
  std::vector<NamedTensor> gradients, other;
  auto all = network_.executor();
  all->initialize();
  const double loss = all->gradients(batch.images, batch.labels, true, gradients);
  for (const PassInfo& info : known_passes()) {
    const std::string pass(info.name);
    auto without = network_.executor({pass});
    without->initialize();
    EXPECT_NEAR(without->gradients(batch.images, batch.labels, true, other), loss, 1e-6) << pass;
    for (size_t i = 0; i < gradients.size(); ++i) {
      EXPECT_LT(relative_error(values(other[i]), values(gradients[i])), 1e-5)
          << pass << " " << gradients[i].name;
    }
  }
  EXPECT_GT(network_.executor({"memory_reuse"})->memory().activations, all->memory().activations);
}

TEST_F(ExecutorTest, MemoryAddsUp) {
  const auto executor = make();
  const MemoryPlan plan = executor->memory();
  int64_t trainable = 0;
  for (const NamedTensor& each : executor->moments()) trainable += each.elements();
  EXPECT_GE(plan.parameters, static_cast<size_t>(trainable) * 4 / 2);
  EXPECT_EQ(plan.moments, 2 * plan.gradients);
  EXPECT_LT(plan.activations, plan.without_reuse);
  EXPECT_GT(plan.activations, 0u);
}

TEST_F(ExecutorTest, TimesEveryNodeThatRunsAndChangesNothing) {
  const auto executor = make();
  const auto before = executor->parameters();
  const StepState state = executor->state();
  const std::vector<NodeTime> times = executor->time_nodes(2);
  EXPECT_TRUE(same_bits(before, executor->parameters()));
  EXPECT_EQ(executor->state().step, state.step);
  double sum = 0;
  bool stem = false, optimizer = false;
  for (const NodeTime& time : times) {
    sum += time.forward_ms + time.backward_ms;
    stem |= time.node == "stem" && time.op == "conv2d" && !time.implementation.empty();
    optimizer |= time.node == "optimizer" && time.op == "adam";
    EXPECT_NE(time.node, "flat") << "a view runs nothing";
    EXPECT_NE(time.node, "gather") << "no epoch has begun";
  }
  EXPECT_GT(sum, 0);
  EXPECT_TRUE(stem);
  EXPECT_TRUE(optimizer);
}

TEST(ExecutorLoading, RefusesWhatDoesNotFitAndNamesIt) {
  const SmallNetwork network = SmallNetwork::from_text(kEverything);
  auto executor = network.executor();
  executor->initialize();
  const auto before = executor->parameters();
  auto wrong = before;
  wrong[0].dims = {1, 2};
  wrong[1].name = "stem.bais";
  wrong[2].dtype = DType::i32;
  try {
    executor->set_parameters(wrong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    const std::string text = error.what();
    for (const char* part :
         {"\"stem.weight\" is float32 [1, 2], the network has float32 [8, 2, 5, 5]",
          "\"stem.bais\" is not in the network", "\"stem.bias\" is missing", "int32"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
  }
  EXPECT_TRUE(same_bits(before, executor->parameters())) << "nothing is half loaded";
  EXPECT_THROW(executor->set_moments({}), Error);
}

TEST(ExecutorLoading, ParametersComeBackAsTheyWereSet) {
  const SmallNetwork network = SmallNetwork::from_text(kEverything);
  auto executor = network.executor();
  executor->initialize();
  std::vector<NamedTensor> values_set = executor->parameters();
  for (size_t i = 0; i < values_set.size(); ++i) {
    for (int64_t e = 0; e < values_set[i].elements(); ++e) {
      values_set[i].f32()[e] = static_cast<float>(1000 * i + e);
    }
  }
  executor->set_parameters(values_set);
  EXPECT_TRUE(same_bits(values_set, executor->parameters()));
}

TEST(ExecutorWithoutLoss, RunsForwardButDoesNotTrain) {
  const SmallNetwork network = SmallNetwork::from_text(R"({"image": [8, 8, 3], "classes": 10,
    "batch": 2, "optimizer": {"type": "sgd"}, "network": {"nodes": [
    {"name": "conv", "op": "conv2d", "filters": 4, "kernel": 3}]}})");
  auto executor = network.executor();
  executor->initialize();
  const RandomBatch batch(network, 1);
  EXPECT_EQ(executor->logits(batch.images, 2).size(), 2u * 8 * 8 * 4);
  EXPECT_FALSE(executor->time_nodes(1).empty());
  EXPECT_GT(executor->memory().activations, 0u);
  try {
    executor->step_on(batch.images, batch.labels, 0.1, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::experiment);
    EXPECT_NE(std::string(error.what()).find("\"conv\" gives 8x8x4"), std::string::npos)
        << error.what();
  }
}

/// The whole chain (loss, backward, fan-out, parameters' layouts) against differences of the loss.
TEST(ExecutorGradients, AgreeWithFiniteDifferences) {
  const SmallNetwork network = SmallNetwork::from_text(R"({"image": [6, 6, 2], "classes": 3,
    "batch": 3, "optimizer": {"type": "sgd"}, "label_smoothing": 0.1, "network": {"nodes": [
    {"name": "a", "op": "conv2d", "filters": 4, "kernel": 3, "activation": "tanh"},
    {"name": "bn", "op": "batch_normalization"},
    {"name": "b", "op": "conv2d", "filters": 4, "kernel": 3, "activation": "gelu"},
    {"name": "sum", "op": "add", "inputs": ["b", "bn"]},
    {"name": "both", "op": "concat", "inputs": ["sum", "a"]},
    {"name": "pool", "op": "average_pool", "kernel": 2, "stride": 2},
    {"name": "flat", "op": "flatten"},
    {"name": "fc", "op": "dense", "units": 3}]}})");
  auto executor = network.executor();
  executor->initialize();
  const RandomBatch batch(network, 3);
  std::vector<NamedTensor> gradients, ignored;
  executor->gradients(batch.images, batch.labels, true, gradients);
  const auto start = executor->parameters();
  const RandomKey key{1, random_stream("test", "directions")};
  for (size_t g = 0; g < gradients.size(); ++g) {  // along one random direction for each parameter
    const NamedTensor& gradient = gradients[g];
    std::vector<double> direction;
    double slope = 0, length = 0;
    for (int64_t e = 0; e < gradient.elements(); ++e) {
      const uint32_t bits = key.draw(static_cast<uint32_t>(e), static_cast<uint32_t>(g), 0).word[0];
      direction.push_back(bits & 1 ? 1 : -1);
      slope += direction.back() * gradient.f32()[e];
      length += std::pow(gradient.f32()[e], 2);
    }
    const double step = 0.02 / std::sqrt(static_cast<double>(direction.size()));
    const auto loss_at = [&](double distance) {
      auto moved = start;
      float* data = const_cast<NamedTensor&>(tensor(moved, gradient.name)).f32();
      for (size_t e = 0; e < direction.size(); ++e) {
        data[e] += static_cast<float>(distance * direction[e]);
      }
      executor->set_parameters(moved);
      return executor->gradients(batch.images, batch.labels, true, ignored);
    };
    const double measured = (loss_at(step) - loss_at(-step)) / (2 * step);
    EXPECT_NEAR(measured, slope, 0.01 * std::sqrt(length * direction.size()) / 2 + 1e-4)
        << gradient.name;
  }
}

}  // namespace
}  // namespace engine::test
