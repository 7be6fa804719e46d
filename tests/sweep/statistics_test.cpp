// Against published numbers and definitions. Against SciPy: statistics_test.py.

#include "engine/sweep/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace engine::test {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

TEST(MeanInterval, IsThatOfATableOfStudentsT) {
  const std::vector<double> values{1, 2, 3, 4, 5};
  const MeanInterval mean = mean_interval(values);
  EXPECT_EQ(mean.count, 5u);
  EXPECT_DOUBLE_EQ(mean.mean, 3);
  EXPECT_DOUBLE_EQ(mean.deviation, std::sqrt(2.5));
  const double half = 2.7764451051977987 * std::sqrt(2.5 / 5);  // t of 4 degrees of freedom, 0.975
  EXPECT_NEAR(mean.low, 3 - half, 1e-12);
  EXPECT_NEAR(mean.high, 3 + half, 1e-12);
}

TEST(MeanInterval, OfNoneOrOneHasNoInterval) {
  const MeanInterval none = mean_interval({});
  EXPECT_EQ(none.count, 0u);
  EXPECT_TRUE(std::isnan(none.mean) && std::isnan(none.deviation) && std::isnan(none.low));
  const std::vector<double> values{0.7};
  const MeanInterval one = mean_interval(values);
  EXPECT_EQ(one.count, 1u);
  EXPECT_EQ(one.mean, 0.7);
  EXPECT_TRUE(std::isnan(one.deviation) && std::isnan(one.low) && std::isnan(one.high));
}

TEST(MeanInterval, OfEqualValuesIsThatValueExactly) {
  for (const double value : {0.1, 0.7012, 1e-300, 12345.678}) {
    for (const size_t count : {2, 3, 7, 30}) {
      const MeanInterval mean = mean_interval(std::vector<double>(count, value));
      EXPECT_EQ(mean.mean, value) << count;
      EXPECT_EQ(mean.deviation, 0) << count;
      EXPECT_EQ(mean.low, value) << count;
      EXPECT_EQ(mean.high, value) << count;
    }
  }
}

/// Student's sleep data, the example of R's t.test: t = -4.0621, p = 0.002833.
TEST(PairedDifference, IsThatOfStudentsSleepData) {
  const std::vector<double> first{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
  const std::vector<double> second{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  const PairedDifference pair = paired_difference(first, second);
  EXPECT_EQ(pair.difference.count, 10u);
  EXPECT_NEAR(pair.difference.mean, -1.58, 1e-12);
  EXPECT_NEAR(pair.t, -4.0621, 5e-5);
  EXPECT_NEAR(pair.p, 0.002833, 5e-7);
  EXPECT_NEAR(pair.difference.low, -2.4598858, 5e-8);
  EXPECT_NEAR(pair.difference.high, -0.7001142, 5e-8);
}

TEST(PairedDifference, OfEqualDifferencesIsSureOrNothing) {
  const std::vector<double> values{0.5, 0.75, 1.0}, below{0.25, 0.5, 0.75};
  const PairedDifference more = paired_difference(values, below);
  EXPECT_EQ(more.difference.low, 0.25);
  EXPECT_EQ(more.difference.high, 0.25);
  EXPECT_EQ(more.p, 0);
  EXPECT_EQ(more.t, std::numeric_limits<double>::infinity());
  EXPECT_EQ(paired_difference(below, values).t, -std::numeric_limits<double>::infinity());
  const PairedDifference same = paired_difference(values, values);
  EXPECT_EQ(same.difference.mean, 0);
  EXPECT_EQ(same.p, 1);
  EXPECT_EQ(same.t, 0);
}

TEST(PairedDifference, OfFewerThanTwoPairsHasNoP) {
  const std::vector<double> one{0.5}, three{0.25, 0.5, 0.75};
  const PairedDifference pair = paired_difference(one, three);
  EXPECT_EQ(pair.difference.count, 1u);
  EXPECT_EQ(pair.difference.mean, 0.25);
  EXPECT_TRUE(std::isnan(pair.p) && std::isnan(pair.t) && std::isnan(pair.difference.low));
  EXPECT_EQ(paired_difference({}, three).difference.count, 0u);
}

TEST(Holm, MultipliesTheSmallestMost) {
  const std::vector<double> p{0.01, 0.04, 0.03, 0.005}, expected{0.03, 0.06, 0.06, 0.02};
  const std::vector<double> corrected = holm(p);
  ASSERT_EQ(corrected.size(), expected.size());
  for (size_t i = 0; i < p.size(); ++i) EXPECT_DOUBLE_EQ(corrected[i], expected[i]) << i;
}

TEST(Holm, EndsAtOneAndLeavesOutWhatIsNone) {
  const std::vector<double> p{0.6, kNone, 0.5, 0}, corrected = holm(p);
  EXPECT_EQ(corrected[0], 1);
  EXPECT_TRUE(std::isnan(corrected[1]));
  EXPECT_EQ(corrected[2], 1);
  EXPECT_EQ(corrected[3], 0);
  EXPECT_TRUE(holm({}).empty());
  const std::vector<double> one{0.03};
  EXPECT_EQ(holm(one)[0], 0.03);
}

}  // namespace
}  // namespace engine::test
