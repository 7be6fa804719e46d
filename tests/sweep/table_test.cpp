// What tables, Markdown and the page say. The page in a browser: page_test.py.

#include "engine/sweep/table/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "engine/sweep/table/links.h"
#include "engine/sweep/table/words.h"
#include "tests/sweep/made_sweeps.h"

namespace engine::test {
namespace {

Sweep grid_sweep() {
  return made_sweep(crossed({{"preprocess.noise.sigma", {Value(0.1), Value(0.3)}},
                             {"train.optimizer.type", {Value("sgd"), Value("=adam,\"x\"")}}}),
                    {1, 2, 3});
}

double grid_accuracy(size_t configuration, int64_t seed) {
  return 0.7 - 0.013 * static_cast<double>(configuration) +
         0.001 * static_cast<double>((static_cast<int64_t>(configuration) * 7 + seed * 5) % 4);
}

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

bool has(std::string_view text, std::string_view what) {
  return text.find(what) != text.npos;
}

/// Cells of a line, which has no line breaks in its cells.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells{""};
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += line[i];
    }
  }
  return cells;
}

std::vector<std::vector<std::string>> rows_of(const std::string& csv) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) rows.push_back(cells_of(line));
  return rows;
}

TEST(Csv, PointsHaveALineEachAndReadBack) {
  const Sweep sweep = grid_sweep();
  std::vector<PointResult> points = done_points(sweep, grid_accuracy);
  points[1] = failed_point(sweep, 1, "loss is NaN, \"diverged\"");
  points[2] = {2, std::nullopt, true};
  points[3] = {3, std::nullopt, false};
  const auto rows = rows_of(points_csv(gather_results(sweep, points, 0)));
  ASSERT_EQ(rows.size(), 13u);
  const std::vector<std::string> head{"configuration",
                                      "seed",
                                      "state",
                                      "preprocess.noise.sigma",
                                      "train.optimizer.type",
                                      "test_accuracy",
                                      "test_loss",
                                      "validation_accuracy",
                                      "validation_loss",
                                      "epochs",
                                      "best_epoch",
                                      "seconds",
                                      "attempts",
                                      "exit_code",
                                      "reason",
                                      "folder"};
  EXPECT_EQ(rows[0], head);
  for (size_t i = 1; i < rows.size(); ++i) ASSERT_EQ(rows[i].size(), head.size()) << i;
  EXPECT_EQ(rows[1][2], "done");
  EXPECT_EQ(std::strtod(rows[1][5].c_str(), nullptr), grid_accuracy(0, 1));
  EXPECT_EQ(std::strtod(rows[1][3].c_str(), nullptr), 0.1);
  EXPECT_EQ(std::strtod(rows[1][6].c_str(), nullptr), 1 - grid_accuracy(0, 1));
  EXPECT_EQ(rows[2][2], "failed");
  EXPECT_EQ(rows[2][5], "");
  EXPECT_EQ(rows[2][13], "6");
  EXPECT_EQ(rows[2][14], "loss is NaN, \"diverged\"");
  EXPECT_EQ(rows[3][2], "running");
  EXPECT_EQ(rows[3][11], "");
  EXPECT_EQ(rows[3][15], sweep.points[2].folder);
  EXPECT_EQ(rows[4][2], "waiting");
  EXPECT_EQ(rows[4][4], "'=adam,\"x\"");  // no formula for a spreadsheet
}

TEST(Csv, ConfigurationsReadBackBitForBit) {
  const Sweep sweep = grid_sweep();
  const SweepResults results = gather_results(sweep, done_points(sweep, grid_accuracy), 1);
  const auto rows = rows_of(configurations_csv(results));
  ASSERT_EQ(rows.size(), 5u);
  const auto number = [&](size_t row, std::string_view column) {
    for (size_t i = 0; i < rows[0].size(); ++i) {
      if (rows[0][i] == column) return std::strtod(rows[row][i].c_str(), nullptr);
    }
    return std::nan("");
  };
  for (size_t i = 0; i < 4; ++i) {
    const ConfigurationResult& result = results.configurations[i];
    ASSERT_EQ(rows[i + 1].size(), rows[0].size());
    EXPECT_EQ(number(i + 1, "test_accuracy"), result.accuracy.mean);
    EXPECT_EQ(number(i + 1, "deviation"), result.accuracy.deviation);
    EXPECT_EQ(number(i + 1, "low"), result.accuracy.low);
    EXPECT_EQ(number(i + 1, "high"), result.accuracy.high);
    EXPECT_EQ(number(i + 1, "test_loss"), result.loss.mean);
    if (i == 1) continue;
    EXPECT_EQ(number(i + 1, "difference"), result.difference->difference.mean);
    EXPECT_EQ(number(i + 1, "difference_low"), result.difference->difference.low);
    EXPECT_EQ(number(i + 1, "p"), result.difference->p);
    EXPECT_EQ(number(i + 1, "corrected_p"), result.corrected_p);
  }
  for (const char* column : {"pairs", "difference", "difference_high", "p", "corrected_p"}) {
    EXPECT_EQ(number(2, column), 0) << column;  // the baseline has none: an empty cell
  }
}

TEST(Csv, MatrixHasALineACell) {
  const Sweep sweep = grid_sweep();
  std::vector<PointResult> points = done_points(sweep, grid_accuracy);
  EXPECT_EQ(matrix_csv(gather_results(sweep, points, 0)), "");
  add_matrix(sweep, points);
  points[0].record->matrix[3] = {sweep.configurations[3].name, NAN, NAN, "gets 3 channels"};
  const SweepResults results = gather_results(sweep, points, 0);
  const auto rows = rows_of(matrix_csv(results));
  ASSERT_EQ(rows.size(), 17u);
  EXPECT_EQ(rows[2][0], sweep.configurations[0].name);
  EXPECT_EQ(rows[2][1], sweep.configurations[1].name);
  EXPECT_EQ(rows[2][2], "3");
  EXPECT_EQ(std::strtod(rows[2][3].c_str(), nullptr), results.matrix->cells[0][1].mean);
  EXPECT_EQ(std::strtod(rows[2][4].c_str(), nullptr), results.matrix->cells[0][1].low);
}

TEST(Links, AreRelativeAndEncoded) {
  EXPECT_EQ(report_link("a b"), "points/a%20b/report.html");
  EXPECT_EQ(report_link("lr=0.1, \"x\"<\xC3\xA4"),
            "points/lr%3D0.1%2C%20%22x%22%3C%C3%A4/report.html");
  EXPECT_EQ(report_link("a/../b"), "");
  EXPECT_EQ(report_link("a/b"), "points/a%2Fb/report.html");
  EXPECT_EQ(encoded_path("javascript:alert(1)"), "javascript%3Aalert%281%29");
  EXPECT_EQ(encoded_path("//host/x"), "");
  EXPECT_EQ(encoded_path("a/../../x"), "");
  EXPECT_EQ(encoded_path(".."), "");
  EXPECT_EQ(encoded_path("a/..b/c"), "a/..b/c");
  EXPECT_EQ(encoded_path("a\\..\\b"), "a%5C..%5Cb");
}

TEST(Words, ShowWhatNumbersNeed) {
  using namespace sweep_words;
  EXPECT_EQ(share(0.65123), "65.12 %");
  EXPECT_EQ(share(NAN), "none");
  EXPECT_EQ(points(-0.0004, 1), "0.0");
  EXPECT_EQ(points(0.051, 1, true), "+5.1");
  EXPECT_EQ(p_value(0.0001), "< 0.001");
  EXPECT_EQ(p_value(0.0123), "0.012");
  EXPECT_EQ(p_value(0.04996), "0.04996");
  EXPECT_EQ(p_value(0.5), "0.50");
  EXPECT_EQ(p_value(NAN), "none");
  EXPECT_EQ(p_equation(0), "p < 0.001");
  EXPECT_EQ(level(Value("a b")) + level(Value(0.1)) + level(Value(true)), "a b0.1true");
  EXPECT_EQ(level(Value(0.00012345678901)), "0.000123457");
  EXPECT_EQ(counted(1, "seed") + counted(1200, "seed"), "1 seed1,200 seeds");
}

TEST(Words, SayHowFarASweepIs) {
  const Sweep sweep = grid_sweep();
  std::vector<PointResult> points = done_points(sweep, grid_accuracy);
  EXPECT_EQ(sweep_words::state(gather_results(sweep, points, 0)), "All of 12 points are done.");
  points[0] = failed_point(sweep, 0, "x");
  EXPECT_EQ(sweep_words::state(gather_results(sweep, points, 0)),
            "11 of 12 points are done, 1 failed.");
  points[1] = {1, std::nullopt, true};
  points[2] = points[3] = {2, std::nullopt, false};
  EXPECT_EQ(sweep_words::state(gather_results(sweep, points, 0)),
            "8 of 12 points are done, 1 failed, 1 is running, 2 are waiting: the numbers can still "
            "change.");
}

TEST(Markdown, OpensWithTheAnswer) {
  const Sweep sweep = grid_sweep();
  std::vector<PointResult> points = done_points(sweep, grid_accuracy);
  add_matrix(sweep, points);
  points[5] = failed_point(sweep, 5, "loss is NaN\nin node a|b");
  const std::string text = sweep_markdown(gather_results(sweep, points, 0));
  EXPECT_TRUE(text.starts_with("# made\n\n- sigma=0.1, type=")) << text.substr(0, 200);
  EXPECT_LT(text.find("points of test accuracy"), text.find("11 of 12 points are done, 1 failed."));
  EXPECT_LT(text.find("1 failed."), text.find("## Configurations"));
  for (const char* part : {"## Factors", "## Trained on, evaluated on", "## Points that failed",
                           "## How this was computed", "paired by seed", "Holm"}) {
    EXPECT_TRUE(has(text, part)) << part;
  }
  EXPECT_TRUE(has(text, "| loss is NaN in node a\\|b |")) << text;
  EXPECT_TRUE(has(text, "](points/sigma%3D0.1%2C%20type%3D%22sgd%22-seed1-3f5c8e21/report.html)"));
}

TEST(Markdown, TakesNamesForText) {
  Sweep sweep = made_sweep({{"a|b\\*c*_d_`e`", {}},
                            {"<img src=x onerror=alert(1)>", {}},
                            {"[x](javascript:alert(1))", {}},
                            {"line\nbreak\r\n# head", {}},
                            {"https://example.org @someone", {}}},
                           {1});
  sweep.file.name = "1. <b>";
  const std::string text = sweep_markdown(gather_results(sweep, std::vector<PointResult>(5), 0));
  EXPECT_TRUE(text.starts_with("# 1\\. &lt;b&gt;\n")) << text;
  EXPECT_TRUE(has(text, "| a\\|b\\\\\\*c\\*\\_d\\_\\`e\\` |")) << text;
  EXPECT_TRUE(has(text, "| &lt;img src=x onerror=alert(1)&gt; |"));
  EXPECT_TRUE(has(text, "| \\[x\\](javascript:alert(1)) |"));
  EXPECT_TRUE(has(text, "| line break  \\# head |"));
  EXPECT_TRUE(has(text, "| https&#58;//example.org &#64;someone |"));
  EXPECT_FALSE(has(text, "<"));
}

TEST(Page, OpensWithTheAnswerAndRunsNothing) {
  const Sweep sweep = grid_sweep();
  std::vector<PointResult> points = done_points(sweep, grid_accuracy);
  add_matrix(sweep, points);
  const std::string page = sweep_page(gather_results(sweep, points, 0));
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_TRUE(has(page, "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:;"));
  EXPECT_FALSE(has(page, "<script"));
  EXPECT_FALSE(has(page, "nan"));
  EXPECT_LT(page.find("class=\"answers\""), page.find("All of 12 points are done."));
  EXPECT_LT(page.find("All of 12 points are done."), page.find("<h2>Configurations"));
  EXPECT_EQ(count_of(page, "<svg "), 4u);  // accuracy, effects, both factors, matrix
  EXPECT_EQ(count_of(page, "role=\"img\" aria-label="), 4u);
  EXPECT_EQ(count_of(page, "/report.html\""), 12u);
}

TEST(Page, HasNothingThatIsNotThere) {
  const Sweep sweep = made_sweep({{"only", {}}}, {1});
  const SweepResults waiting = gather_results(sweep, std::vector<PointResult>(1), 0);
  const std::string page = sweep_page(waiting);
  EXPECT_TRUE(has(page, "No point is done yet"));
  for (const char* part : {"<svg", "corrected p<", "id=\"factors\"", "id=\"matrix\"",
                           "id=\"failures\"", "/report.html", "nan"}) {
    EXPECT_FALSE(has(page, part)) << part;
  }
  const Sweep none;
  EXPECT_TRUE(has(sweep_page(gather_results(none, {}, 0)), "</html>"));
  EXPECT_TRUE(has(sweep_markdown(gather_results(none, {}, 0)), "nothing to compare"));
  EXPECT_EQ(accuracy_figure(waiting), "");
  EXPECT_EQ(effects_figure(waiting), "");
  EXPECT_EQ(heat_figure(waiting), "");
  EXPECT_EQ(parallel_figure(waiting), "");
  EXPECT_EQ(matrix_figure(waiting), "");
}

TEST(Page, OfOneSeedOrEqualValuesHasNoNan) {
  for (const std::vector<int64_t>& seeds : {std::vector<int64_t>{1}, std::vector<int64_t>{1, 2}}) {
    const Sweep sweep =
        made_sweep(crossed({{"a", {Value(1), Value(2)}}, {"b", {Value(1), Value(2)}}}), seeds);
    std::vector<PointResult> points = done_points(sweep, [](size_t, int64_t) { return 0.5; });
    add_matrix(sweep, points);
    const SweepResults results = gather_results(sweep, points, 0);
    for (const std::string& text : {sweep_page(results), sweep_markdown(results)}) {
      EXPECT_FALSE(has(text, "nan")) << text;
      EXPECT_FALSE(has(text, "inf "));
    }
  }
}

TEST(Page, OfManyConfigurationsStaysSmall) {
  std::vector<Value> values;
  for (int i = 0; i < 500; ++i) values.emplace_back(0.001 * i + 1e-5);
  std::vector<PlannedConfiguration> planned;
  for (int i = 0; i < 500; ++i) {
    planned.push_back({fmt::format("random-{}", i),
                       {{"train.optimizer.learning_rate", values[static_cast<size_t>(i)]},
                        {"train.batch_size", Value(1 << (i % 6))},
                        {"preprocess.noise.sigma", values[static_cast<size_t>(i * 7 % 500)]}}});
  }
  const Sweep sweep = made_sweep(planned, {1, 2, 3, 4, 5});
  std::vector<PointResult> points = done_points(sweep, grid_accuracy);
  for (PointResult& point : points) {
    point.record->test_accuracy = std::abs(std::sin(static_cast<double>(point.point)));
  }
  const std::string page = sweep_page(gather_results(sweep, points, 0));
  EXPECT_LT(page.size(), 3u << 20);
  EXPECT_EQ(count_of(page, "/report.html\""), 2500u);
  add_matrix(sweep, points);
  const SweepResults results = gather_results(sweep, points, 0);
  EXPECT_LT(sweep_page(results).size(), 3u << 20);
  EXPECT_TRUE(has(sweep_page(results), "too many for a page"));
}

}  // namespace
}  // namespace engine::test
