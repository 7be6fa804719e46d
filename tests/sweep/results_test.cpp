#include "engine/sweep/results.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/error.h"
#include "engine/sweep/table/words.h"
#include "tests/sweep/made_sweeps.h"

namespace engine::test {
namespace {

/// gray 0.70, noise 0.65, smooth 0.70, each with a little that depends on the seed.
double study(size_t configuration, int64_t seed) {
  constexpr double kMeans[] = {0.70, 0.65, 0.70};
  constexpr double kOwn[][3] = {{0, 0.002, -0.002}, {0.001, -0.001, 0}, {0.004, -0.004, 0.001}};
  return kMeans[configuration] + 0.003 * static_cast<double>(seed % 5) +
         kOwn[configuration][seed % 3];
}

Sweep study_sweep(const std::vector<int64_t>& seeds) {
  return made_sweep({{"gray", {}}, {"noise", {}}, {"smooth", {}}}, seeds);
}

const std::vector<int64_t> kTen{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

TEST(Results, CountEveryPointOnce) {
  const Sweep sweep = study_sweep({1, 2, 3});
  std::vector<PointResult> points = done_points(sweep, study);
  points[1] = failed_point(sweep, 1, "diverged");
  points[2] = failed_point(sweep, 2, "gray failed");
  points[2].record->state = Record::State::skipped;
  points[4] = {4, std::nullopt, true};
  points[5] = {5, std::nullopt, false};
  points[8] = failed_point(sweep, 8, "once more");
  points[8].running = true;
  const SweepResults results = gather_results(sweep, points, 0);
  EXPECT_EQ(results.done, 4u);
  EXPECT_EQ(results.failed, 2u);
  EXPECT_EQ(results.running, 2u);
  EXPECT_EQ(results.waiting, 1u);
  ASSERT_EQ(results.configurations.size(), 3u);
  EXPECT_EQ(results.configurations[0].done, 1u);
  EXPECT_EQ(results.configurations[0].failed, 2u);
  EXPECT_EQ(results.configurations[1].points[1].point, 4u);
  EXPECT_EQ(state_name(state_of(results.configurations[0].points[2])), "skipped");
  EXPECT_EQ(state_name(state_of(results.configurations[2].points[2])), "running");
}

TEST(Results, MeansAreOverTheSeedsThatAreDone) {
  const Sweep sweep = study_sweep({1, 2, 3});
  std::vector<PointResult> points = done_points(sweep, study);
  points[2] = failed_point(sweep, 2, "diverged");
  points[3].record->test_accuracy = NAN;
  points[4].record->validation_loss = NAN;
  const SweepResults results = gather_results(sweep, points, 0);
  const ConfigurationResult& gray = results.configurations[0];
  EXPECT_EQ(gray.accuracy.count, 2u);
  EXPECT_DOUBLE_EQ(gray.accuracy.mean, (study(0, 1) + study(0, 2)) / 2);
  EXPECT_DOUBLE_EQ(gray.seconds, 62);
  const ConfigurationResult& noise = results.configurations[1];
  EXPECT_EQ(noise.done, 3u);
  EXPECT_EQ(noise.accuracy.count, 2u);
  EXPECT_EQ(noise.loss.count, 3u);
  EXPECT_EQ(test_accuracies(noise), (std::vector<double>{study(1, 2), study(1, 3)}));
}

TEST(Results, DifferencesAreOverTheSeedsThatBothHave) {
  const Sweep sweep = study_sweep({1, 2, 3, 4});
  std::vector<PointResult> points = done_points(sweep, study);
  points[0] = {0, std::nullopt, false};            // gray, seed 1
  points[7] = failed_point(sweep, 7, "diverged");  // noise, seed 4
  const SweepResults results = gather_results(sweep, points, 0);
  EXPECT_FALSE(results.configurations[0].difference);
  EXPECT_TRUE(std::isnan(results.configurations[0].corrected_p));
  const PairedDifference& noise = *results.configurations[1].difference;
  EXPECT_EQ(noise.difference.count, 2u);
  const double expected = (study(1, 2) - study(0, 2) + study(1, 3) - study(0, 3)) / 2;
  EXPECT_NEAR(noise.difference.mean, expected, 1e-15);
  EXPECT_EQ(results.configurations[2].difference->difference.count, 3u);
  EXPECT_EQ(results.comparisons, 2u);
}

TEST(Results, AnyConfigurationMayBeTheBaseline) {
  const Sweep sweep = study_sweep(kTen);
  const SweepResults results = gather_results(sweep, done_points(sweep, study), 1);
  EXPECT_FALSE(results.configurations[1].difference);
  EXPECT_NEAR(results.configurations[0].difference->difference.mean, 0.05, 0.002);
  EXPECT_NE(difference_sentence(results, results.configurations[0]).find("gray gains 5.0 points"),
            std::string::npos);
  EXPECT_EQ(best_configuration(results), 0u);
}

TEST(Results, PValuesAreCorrectedOverAllComparisons) {
  const Sweep sweep = study_sweep(kTen);
  const SweepResults results = gather_results(sweep, done_points(sweep, study), 0);
  const ConfigurationResult& noise = results.configurations[1];
  const ConfigurationResult& smooth = results.configurations[2];
  ASSERT_LT(noise.difference->p, smooth.difference->p);
  EXPECT_DOUBLE_EQ(noise.corrected_p, 2 * noise.difference->p);
  EXPECT_DOUBLE_EQ(smooth.corrected_p, smooth.difference->p);
}

TEST(Results, OfNothingAreEmpty) {
  const Sweep none;
  EXPECT_TRUE(gather_results(none, {}, 0).configurations.empty());
  const Sweep sweep = study_sweep({1, 2});
  const SweepResults results = gather_results(sweep, std::vector<PointResult>(6), 0);
  EXPECT_EQ(results.waiting, 6u);
  EXPECT_EQ(results.configurations[1].accuracy.count, 0u);
  EXPECT_EQ(difference_sentence(results, results.configurations[1]), "");
  EXPECT_EQ(best_configuration(results), std::nullopt);
  EXPECT_FALSE(results.matrix);
  EXPECT_THROW(gather_results(sweep, {}, 0), Error);
  EXPECT_THROW(gather_results(sweep, std::vector<PointResult>(6), 3), Error);
}

std::string sentence(const std::vector<double>& gray, const std::vector<double>& noise) {
  std::vector<int64_t> seeds;
  for (size_t i = 0; i < gray.size(); ++i) seeds.push_back(static_cast<int64_t>(i));
  const Sweep sweep = made_sweep({{"gray", {}}, {"noise", {}}}, seeds);
  const SweepResults results =
      gather_results(sweep,
                     done_points(sweep,
                                 [&](size_t configuration, int64_t seed) {
                                   return (configuration ? noise : gray)[static_cast<size_t>(seed)];
                                 }),
                     0);
  return difference_sentence(results, results.configurations[1]);
}

TEST(Sentence, SaysWhatADifferenceCostsOrGains) {
  EXPECT_EQ(sentence({0.70, 0.71, 0.72}, {0.65, 0.6605, 0.6695}),
            "noise costs 5.0 points of test accuracy (95 % interval 4.9 to 5.1, 3 seeds, p < "
            "0.001)");
  EXPECT_EQ(sentence({0.65, 0.66, 0.67}, {0.69, 0.71, 0.70}),
            "noise gains 4.0 points of test accuracy (95 % interval 1.5 to 6.5, 3 seeds, p = "
            "0.020)");
}

TEST(Sentence, SaysWhenSoManySeedsShowNone) {
  EXPECT_EQ(sentence({0.70, 0.71, 0.72}, {0.71, 0.70, 0.72}),
            "noise makes no difference that 3 seeds can show (0.0 points of test accuracy, 95 % "
            "interval -2.5 to 2.5, p = 1.00)");
}

TEST(Sentence, OfOneSeedHasNoInterval) {
  EXPECT_EQ(sentence({0.70}, {0.65}),
            "noise has 5.0 points of test accuracy less than gray with one seed, which gives no "
            "interval");
  EXPECT_EQ(sentence({0.65}, {0.70}),
            "noise has 5.0 points of test accuracy more than gray with one seed, which gives no "
            "interval");
  EXPECT_EQ(sentence({0.65}, {0.65}),
            "noise has the test accuracy of gray with one seed, which gives no interval");
}

TEST(Sentence, OfEqualAccuraciesSaysSo) {
  EXPECT_EQ(sentence({0.7, 0.71}, {0.7, 0.71}),
            "noise has the test accuracy of gray with each of 2 seeds");
  EXPECT_EQ(sentence({0.5, 0.75}, {0.25, 0.5}),
            "noise costs 25.0 points of test accuracy (95 % interval 25.0 to 25.0, 2 seeds, p < "
            "0.001)");
}

TEST(Sentence, ShowsTheDigitsThatItNeeds) {
  EXPECT_EQ(sentence({0.7, 0.71, 0.72}, {0.7003, 0.71031, 0.72029}),
            "noise gains 0.03 points of test accuracy (95 % interval 0.03 to 0.03, 3 seeds, p < "
            "0.001)");
}

/// An interval that leaves out 0 is not enough among many comparisons.
TEST(Sentence, SaysWhenTheCorrectionDecides) {
  std::vector<PlannedConfiguration> planned;
  for (int i = 0; i <= 30; ++i) planned.push_back({fmt::format("c{}", i), {}});
  const Sweep sweep = made_sweep(planned, {1, 2, 3, 4});
  constexpr double kFirst[] = {0.001, 0.004, 0.002, 0.006};
  const SweepResults results = gather_results(
      sweep,
      done_points(sweep,
                  [&](size_t configuration, int64_t seed) {
                    const double own = configuration % 2 ? 1 : -1;
                    if (configuration == 1) return 0.7 + kFirst[seed - 1];
                    return 0.7 + 0.001 * own * static_cast<double>(seed % 2 ? 1 : -1);
                  }),
      0);
  const ConfigurationResult& first = results.configurations[1];
  ASSERT_GT(first.difference->difference.low, 0);
  ASSERT_LT(first.difference->p, 0.05);
  ASSERT_GT(first.corrected_p, 0.05);
  EXPECT_FALSE(shows_difference(first));
  const std::string text = difference_sentence(results, first);
  EXPECT_NE(text.find("makes no difference that 4 seeds can show"), std::string::npos) << text;
  EXPECT_NE(text.find("can show among 30 comparisons"), std::string::npos) << text;
  EXPECT_NE(text.find("corrected p = 0."), std::string::npos) << text;
}

TEST(FactorNames, AreTheShortestPartsOfTheirOwn) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(factor_names({"preprocess.noise.sigma", "train.epochs"}), (Names{"sigma", "epochs"}));
  EXPECT_EQ(factor_names({"preprocess.noise.sigma", "preprocess.smooth.sigma"}),
            (Names{"noise.sigma", "smooth.sigma"}));
  EXPECT_EQ(factor_names({"seed", "data.seed"}), (Names{"seed", "data.seed"}));
  EXPECT_EQ(factor_names({"a.rate", "b.learning_rate"}), (Names{"rate", "learning_rate"}));
  EXPECT_EQ(factor_names({"precision", ""}), (Names{"precision", ""}));
}

TEST(Effects, AreOverAllThatHaveALevel) {
  const Sweep sweep = made_sweep(
      crossed({{"preprocess.noise.sigma", {Value(0.1), Value(0.2)}},
               {"train.optimizer.type", {Value("sgd"), Value("adam"), Value("rmsprop")}}}),
      {1, 2});
  std::vector<PointResult> points = done_points(sweep, [](size_t configuration, int64_t seed) {
    return 0.5 + 0.1 * static_cast<double>(configuration % 3 == 1) -
           (configuration >= 3 ? 0.05 : 0) + 0.01 * static_cast<double>(seed);
  });
  points[0] = {0, std::nullopt, true};
  const SweepResults results = gather_results(sweep, points, 0);
  ASSERT_EQ(results.effects.size(), 2u);
  const FactorEffect& sigma = results.effects[0];
  EXPECT_EQ(sigma.key, "preprocess.noise.sigma");
  EXPECT_EQ(sigma.name, "sigma");
  ASSERT_EQ(sigma.levels.size(), 2u);
  EXPECT_EQ(sigma.levels[0].accuracy.count, 5u);
  EXPECT_EQ(sigma.levels[1].accuracy.count, 6u);
  EXPECT_EQ(sigma.best, 0u);
  const FactorEffect& type = results.effects[1];
  EXPECT_EQ(type.levels[1].value.string(), "adam");  // as they come, for they are no numbers
  EXPECT_EQ(type.best, 1u);
  EXPECT_NEAR(type.levels[1].accuracy.mean, 0.59, 1e-12);
}

TEST(Effects, HaveTheirLevelsInTheGridsOrderOrBySize) {
  const std::vector<PlannedConfiguration> planned =
      crossed({{"a", {Value(3), Value(1), Value(2.5)}}});
  Sweep sweep = made_sweep(planned, {1});
  const auto order = [&] {
    std::string text;
    const SweepResults results = gather_results(sweep, std::vector<PointResult>(3), 0);
    for (const FactorLevel& level : results.effects[0].levels) {
      text += to_json(level.value, -1) + " ";
    }
    return text;
  };
  EXPECT_EQ(order(), "1 2.5 3 ");
  sweep.file.grid.push_back({"a", {Value(2.5), Value(3), Value(1), Value(7)}, {}});
  EXPECT_EQ(order(), "2.5 3 1 ");
}

TEST(Matrix, IsTrainedOnRowsAndEvaluatedOnColumns) {
  const Sweep sweep = study_sweep({1, 2});
  std::vector<PointResult> points = done_points(sweep, study);
  points[0].record->matrix = {{"noise", 0.6, 1, ""}, {"unknown", 0.1, 1, ""}};
  points[1].record->matrix = {{"noise", 0.62, 1, ""},
                              {"smooth", NAN, NAN, "expects 1 channel, gets 3"}};
  points[2].record->matrix = {{"noise", 0.66, 1, ""}};
  points[3] = {3, std::nullopt, true};
  const SweepResults results = gather_results(sweep, points, 0);
  ASSERT_TRUE(results.matrix);
  const TrainedEvaluated& matrix = *results.matrix;
  EXPECT_EQ(matrix.configurations, (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(matrix.cells[0][1].count, 2u);
  EXPECT_DOUBLE_EQ(matrix.cells[0][1].mean, 0.61);
  EXPECT_DOUBLE_EQ(matrix.cells[0][0].mean, results.configurations[0].accuracy.mean);
  EXPECT_EQ(matrix.cells[0][2].count, 0u);
  EXPECT_EQ(matrix.reasons[0][2], "expects 1 channel, gets 3");
  EXPECT_EQ(matrix.cells[1][1].count, 1u);
  EXPECT_EQ(matrix.cells[1][1].mean, 0.66);  // as the record says it
  EXPECT_EQ(matrix.cells[1][0].count, 0u);
  EXPECT_EQ(matrix.reasons[1][0], "");
}

TEST(Matrix, HasOneColumnForConfigurationsThatPreprocessAlike) {
  Sweep sweep = study_sweep({1, 2});
  sweep.configurations[2].preprocessing = sweep.configurations[0].preprocessing;
  std::vector<PointResult> points = done_points(sweep, study);
  const std::string third = sweep.configurations[2].name;
  points[0].record->matrix = {{"gray", 0.7, 1, ""}, {"noise", 0.6, 1, ""}, {third, 0.7, 1, ""}};
  const SweepResults results = gather_results(sweep, points, 0);
  const TrainedEvaluated& matrix = *results.matrix;
  EXPECT_EQ(matrix.columns, (std::vector<std::vector<size_t>>{{0, 2}, {1}}));
  EXPECT_EQ(matrix.own, (std::vector<size_t>{0, 1, 0}));
  ASSERT_EQ(matrix.cells.size(), 3u);
  ASSERT_EQ(matrix.cells[2].size(), 2u);
  EXPECT_EQ(matrix.cells[0][0].count, 2u);  // 0.7 once, and the other seed's own test
  EXPECT_EQ(matrix.cells[0][1].count, 1u);
  EXPECT_EQ(matrix.cells[2][0].mean, results.configurations[2].accuracy.mean);
  EXPECT_EQ(sweep_words::matrix_columns(results), (std::vector<std::string>{"gray", "noise"}));
  EXPECT_EQ(sweep_words::shared_columns(results),
            "Configurations that preprocess alike share a column: gray with " + third + ".");
}

TEST(Matrix, IsThereWhenTheSweepAsksForIt) {
  Sweep sweep = study_sweep({1});
  EXPECT_FALSE(gather_results(sweep, std::vector<PointResult>(3), 0).matrix);
  sweep.file.matrix = true;
  const SweepResults results = gather_results(sweep, std::vector<PointResult>(3), 0);
  ASSERT_TRUE(results.matrix);
  EXPECT_EQ(results.matrix->cells[2][1].count, 0u);
}

}  // namespace
}  // namespace engine::test
