// NaN and Inf are caught within the step that they appear in, nothing is updated, and the node that
// made the first of them is named.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/graph/float_set.h"

namespace engine::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Nonfinite : public testing::TestWithParam<const char*> {
 protected:
  SmallNetwork network_ = SmallNetwork::from_text(example(GetParam()));
  FloatPipeline pipeline_{network_.image};
  std::unique_ptr<Executor> executor_ = executor_with(network_, pipeline_);
  FloatSet set_{network_, 3, 8};

  /// One step, which must not go through and must leave everything as it is.
  void expect_caught(std::string_view named, double learning_rate = 1e-3) {
    const auto parameters = executor_->parameters();
    const auto moments = executor_->moments();
    const StepState before = executor_->state();
    EXPECT_EQ(executor_->train(1, [&](uint64_t) { return learning_rate; }), 0) << named;
    const StepState after = executor_->state();
    EXPECT_EQ(after.nonfinite, 1u) << named;
    EXPECT_EQ(after.step, before.step);
    EXPECT_EQ(after.position, before.position);
    EXPECT_EQ(after.loss_sum, before.loss_sum);
    EXPECT_TRUE(same_bits(parameters, executor_->parameters()));
    EXPECT_TRUE(same_bits(moments, executor_->moments()));
    EXPECT_NE(executor_->find_nonfinite().find(named), std::string::npos)
        << executor_->find_nonfinite() << " is not " << named;
    EXPECT_TRUE(same_bits(parameters, executor_->parameters()));
  }
};

TEST_P(Nonfinite, InAnyParameter) {
  const auto clean = executor_->parameters();
  for (size_t i = 0; i < clean.size(); ++i) {
    // Running statistics are not read in training; a step writes over them.
    if (clean[i].name.find("running") != std::string::npos) continue;
    for (const float bad : {kNaN, kInfinity}) {
      auto broken = clean;
      broken[i].f32()[broken[i].elements() / 2] = bad;
      executor_->set_parameters(broken);
      executor_->begin_epoch(set_, set_.order(), 0);
      const size_t dot = clean[i].name.rfind('.');
      expect_caught(clean[i].name.substr(0, dot) + " (" + clean[i].name.substr(dot + 1) + ")");
    }
  }
}

TEST_P(Nonfinite, InTheImages) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    FloatSet broken(network_, 3, 8);
    broken.data.images[static_cast<size_t>(5 * broken.elements + 17)] = bad;  // in the second batch
    executor_->begin_epoch(broken, broken.order(), 0);
    EXPECT_EQ(executor_->train(1, [](uint64_t) { return 1e-3; }), 1);
    expect_caught("the network's input");
  }
}

TEST_P(Nonfinite, FromALearningRateThatIsTooHigh) {
  executor_->begin_epoch(set_, set_.order(), 0);
  const int64_t done = executor_->train(1, [](uint64_t) { return 1e30; });
  EXPECT_EQ(done, 1) << "the first step is still finite";
  expect_caught("(", 1e30);
}

TEST_P(Nonfinite, TrainingGoesOnAfterwards) {
  FloatSet broken(network_, 3, 8);
  broken.data.images[0] = kNaN;
  executor_->begin_epoch(broken, broken.order(), 0);
  expect_caught("the network's input");
  executor_->begin_epoch(set_, set_.order(), 0);
  EXPECT_EQ(executor_->state().nonfinite, 0u);
  EXPECT_EQ(executor_->train(10, [](uint64_t) { return 1e-3; }), 2);
  EXPECT_TRUE(std::isfinite(executor_->totals().loss));
  EXPECT_EQ(executor_->find_nonfinite(), "");
}

TEST_P(Nonfinite, StepOnSaysSo) {
  RandomBatch batch(network_, 1);
  batch.images[3] = kNaN;
  EXPECT_FALSE(std::isfinite(executor_->step_on(batch.images, batch.labels, 1e-3, true)));
}

INSTANTIATE_TEST_SUITE_P(Networks, Nonfinite, testing::Values("everything", "inception"));

}  // namespace
}  // namespace engine::test
