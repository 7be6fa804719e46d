// Learning-rate schedules against PyTorch's formulas, written out here, and window arithmetic.

#include "engine/run/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/attributes.h"
#include "engine/core/error.h"

namespace engine::test {
namespace {

TEST(Schedule, Constant) {
  const Schedule schedule;
  for (uint64_t step : {0u, 1u, 1000u}) EXPECT_EQ(schedule.at(step, 10, 5), 1.0);
}

TEST(Schedule, Step) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::step;
  schedule.every_epochs = 2;
  schedule.factor = 0.5;
  EXPECT_EQ(schedule.at(0, 10, 9), 1.0);
  EXPECT_EQ(schedule.at(19, 10, 9), 1.0);
  EXPECT_EQ(schedule.at(20, 10, 9), 0.5);
  EXPECT_EQ(schedule.at(39, 10, 9), 0.5);
  EXPECT_EQ(schedule.at(40, 10, 9), 0.25);
}

TEST(Schedule, CosineAndLinearEndAtTheirShare) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::cosine;
  schedule.final_share = 0.1;
  EXPECT_DOUBLE_EQ(schedule.at(0, 10, 5), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(49, 10, 5), 0.1);
  EXPECT_DOUBLE_EQ(schedule.at(60, 10, 5), 0.1);
  // torch.optim.lr_scheduler.CosineAnnealingLR: eta_min + (base - eta_min) (1 + cos(pi t / T)) / 2
  EXPECT_NEAR(schedule.at(7, 10, 5), 0.1 + 0.9 * (1 + std::cos(M_PI * 7 / 49)) / 2, 1e-15);
  schedule.kind = Schedule::Kind::linear;
  EXPECT_DOUBLE_EQ(schedule.at(49, 10, 5), 0.1);
  EXPECT_NEAR(schedule.at(7, 10, 5), 1 - 0.9 * 7 / 49, 1e-15);
}

TEST(Schedule, WarmUpComesFirst) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::linear;
  schedule.warmup_epochs = 2;
  EXPECT_DOUBLE_EQ(schedule.at(0, 10, 5), 1.0 / 20);
  EXPECT_DOUBLE_EQ(schedule.at(9, 10, 5), 10.0 / 20);
  EXPECT_DOUBLE_EQ(schedule.at(19, 10, 5), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(20, 10, 5), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(49, 10, 5), 0.0);
  double before = 2;
  for (uint64_t step = 20; step < 50; ++step) {
    EXPECT_LT(schedule.at(step, 10, 5), before);
    before = schedule.at(step, 10, 5);
  }
}

TEST(Schedule, RunsOfOneStepAndLongWarmUps) {
  Schedule schedule;
  schedule.kind = Schedule::Kind::cosine;
  EXPECT_EQ(schedule.at(0, 1, 1), 1.0);
  schedule.warmup_epochs = 100;
  for (uint64_t step = 0; step < 50; ++step) {
    EXPECT_TRUE(std::isfinite(schedule.at(step, 10, 5)));
    EXPECT_LE(schedule.at(step, 10, 5), 1.0);
  }
}

Window window(int64_t size, int64_t kernel, int64_t stride, const Padding& padding,
              int64_t dilation = 1) {
  return make_window(size, size, Pair(kernel, 1), Pair(stride, 1), Pair(dilation, 1), padding);
}

TEST(Window, SameIsTensorFlows) {
  // The study: the stem pads 2 before and 3 after, the stride-2 pools 0 before and 1 after.
  const Window stem = window(32, 7, 2, {});
  EXPECT_EQ(stem.padding, (Margins{2, 3, 2, 3}));
  EXPECT_EQ(stem.out_h, 16);
  const Window pool = window(16, 3, 2, {});
  EXPECT_EQ(pool.padding, (Margins{0, 1, 0, 1}));
  EXPECT_EQ(pool.out_w, 8);
  for (int64_t size = 1; size < 40; ++size)
    for (int64_t kernel = 1; kernel < 8; ++kernel)
      for (int64_t stride = 1; stride < 5; ++stride)
        for (int64_t dilation = 1; dilation < 4; ++dilation) {
          const Window w = window(size, kernel, stride, {}, dilation);
          const int64_t reach = (kernel - 1) * dilation + 1;
          EXPECT_EQ(w.out_h, (size + stride - 1) / stride);
          // The last window ends at the padded edge, or inside when no padding is needed.
          EXPECT_LE((w.out_h - 1) * stride + reach, size + w.padding.top + w.padding.bottom);
          EXPECT_TRUE(w.padding.bottom == w.padding.top || w.padding.bottom == w.padding.top + 1);
        }
}

TEST(Window, ValidAndExplicit) {
  Padding valid;
  valid.mode = Padding::Mode::valid;
  EXPECT_EQ(window(32, 5, 2, valid).out_h, 14);
  EXPECT_THROW(window(3, 5, 1, valid), Error);
  Padding margins;
  ASSERT_FALSE(margins.read(Array{1, 2, 0, 1}));
  const Window w = make_window(8, 8, Pair(3, 1), Pair(1, 1), Pair(1, 1), margins);
  EXPECT_EQ(w.out_h, 9);
  EXPECT_EQ(w.out_w, 7);
  EXPECT_EQ(w.padding, (Margins{1, 2, 0, 1}));
  ASSERT_FALSE(margins.read(3));
  EXPECT_THROW(window(8, 3, 1, margins), Error) << "a window in the padding alone";
}

TEST(Attributes, WriteWhatTheyRead) {
  for (const Value& value : {Value(3), Value(Array{3, 5})}) {
    Pair pair(1, 1);
    ASSERT_FALSE(pair.read(value));
    EXPECT_EQ(to_json(pair.write()), to_json(value));
  }
  for (const Value& value : {Value("same"), Value("valid"), Value(0), Value(2), Value(Array{1, 2}),
                             Value(Array{0, 1, 2, 3})}) {
    Padding padding;
    ASSERT_FALSE(padding.read(value));
    EXPECT_EQ(to_json(padding.write()), to_json(value));
  }
  Pair pair(7, 1);
  for (const Value& wrong : {Value(0), Value(1.5), Value("3"), Value(Array{1}),
                             Value(Array{1, 2, 3}), Value(Array{1, 0}), Value(), Value(70'000)}) {
    EXPECT_TRUE(pair.read(wrong));
    EXPECT_EQ(pair.h, 7) << "left alone";
  }
}

}  // namespace
}  // namespace engine::test
