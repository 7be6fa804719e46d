#pragma once

// Numbers and states of a sweep in words, the same in the page, in Markdown and in figures.

#include <string>
#include <string_view>
#include <vector>

#include "engine/sweep/results.h"

namespace engine::sweep_words {

/// "65.12 %" from 0.6512; "none" where there is no number.
std::string share(double value, int digits = 2);
/// "64.58 % to 65.66 %"; "none".
std::string interval(const MeanInterval& mean, int digits = 2);
/// The same in points, for columns that say so: "64.58 to 65.66"; with signs "-5.4 to -4.0".
std::string points_interval(const MeanInterval& mean, int digits, bool sign = false);
/// Digits behind the point with which none of these differences that is not 0 looks like 0: 1, up
/// to 3. In points, hundredths.
int digits_of(const MeanInterval& difference);
/// "-5.1" from -0.051: points; "none".
std::string points(double difference, int digits, bool sign = false);
std::string p_value(double p);                              ///< "< 0.001", "0.012", "0.42", "none"
std::string p_equation(double p);                           ///< "p < 0.001", "p = 0.012"
std::string counted(size_t count, std::string_view thing);  ///< "1 seed", "2 seeds"

/// "12 of 25 points are done, 1 failed, 2 are running, 10 are waiting."
std::string state(const SweepResults& results);
/// "gray has the highest mean test accuracy: 70.12 % (95 % interval ...)." Empty: nothing is done.
std::string best(const SweepResults& results);
/// "All are compared with gray, the baseline: 70.12 % ...". Empty: there is nothing to compare.
std::string baseline(const SweepResults& results);
/// What a comparison says: "gains", "costs", or empty where no difference is shown.
struct ComparisonSentence {
  std::string_view kind;
  std::string text;
};
/// One sentence for each comparison that says something, of at most so many: if there are more,
/// those that show a difference, then those of the largest ones, and one that says so.
std::vector<ComparisonSentence> comparisons(const SweepResults& results, size_t most);
/// How the numbers were computed.
std::vector<std::string> method(const SweepResults& results);

/// A value of a factor as people write it: strings without quotes, long numbers rounded to six
/// digits, the rest as JSON.
std::string level(const Value& value);
/// "72.1 % (95 % interval 71.0 % to 73.2 %, 12 values)".
std::string mean_with_interval(const MeanInterval& mean, std::string_view thing = "seed");

/// Indices of configurations as tables list them: in the sweep's order, many by their mean.
std::vector<size_t> listed(const SweepResults& results);
constexpr size_t kMany = 60;  ///< more configurations are listed by their mean

/// The names of the matrix' columns.
std::vector<std::string> matrix_columns(const SweepResults& results);
/// Which configurations share a column of the matrix; empty: none do.
std::string shared_columns(const SweepResults& results);

/// A failed or skipped point.
struct FailedPoint {
  std::string configuration;
  int64_t seed = 0;
  std::string_view state;
  const Record* record = nullptr;
};
std::vector<FailedPoint> failed_points(const SweepResults& results);

}  // namespace engine::sweep_words
