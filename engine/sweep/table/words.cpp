#include "engine/sweep/table/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/core/text.h"

namespace engine {
namespace sweep_words {

std::string share(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f} %", 100 * value, digits) : "none";
}

std::string interval(const MeanInterval& mean, int digits) {
  if (!std::isfinite(mean.low)) return "none";
  return fmt::format("{} to {}", share(mean.low, digits), share(mean.high, digits));
}

std::string points_interval(const MeanInterval& mean, int digits, bool sign) {
  if (!std::isfinite(mean.low)) return "none";
  return fmt::format("{} to {}", points(mean.low, digits, sign), points(mean.high, digits, sign));
}

int digits_of(const MeanInterval& difference) {
  int digits = 1;
  for (const double value : {difference.mean, difference.low, difference.high}) {
    if (!std::isfinite(value) || value == 0) continue;
    while (digits < 3 && 100 * std::abs(value) * std::pow(10, digits) < 0.5) ++digits;
  }
  return digits;
}

std::string points(double difference, int digits, bool sign) {
  if (!std::isfinite(difference)) return "none";
  const double scale = std::pow(10, digits);
  const double rounded = std::round(100 * difference * scale) / scale + 0.0;  // no "-0.0"
  return sign ? fmt::format("{:+.{}f}", rounded, digits) : fmt::format("{:.{}f}", rounded, digits);
}

std::string p_value(double p) {
  if (std::isnan(p)) return "none";
  if (p < 0.001) return "< 0.001";
  if (std::abs(p - 0.05) < 0.0005) return fmt::format("{:.5f}", p);  // on which side of it
  return fmt::format("{:.{}f}", p, p < 0.1 ? 3 : 2);
}

std::string p_equation(double p) {
  return p < 0.001 ? "p < 0.001" : "p = " + p_value(p);
}

std::string counted(size_t count, std::string_view thing) {
  return fmt::format("{} {}{}", with_commas(static_cast<int64_t>(count)), thing,
                     count == 1 ? "" : "s");
}

std::string state(const SweepResults& results) {
  const size_t all = results.done + results.failed + results.running + results.waiting;
  const auto be = [](size_t count) { return count == 1 ? "is" : "are"; };
  if (results.done == all) return fmt::format("All of {} are done.", counted(all, "point"));
  std::string text =
      fmt::format("{} of {} {} done", results.done, counted(all, "point"), be(results.done));
  if (results.failed) text += fmt::format(", {} failed", results.failed);
  if (results.running) text += fmt::format(", {} {} running", results.running, be(results.running));
  if (results.waiting) text += fmt::format(", {} {} waiting", results.waiting, be(results.waiting));
  return text + (results.running + results.waiting ? ": the numbers can still change." : ".");
}

std::string mean_with_interval(const MeanInterval& mean, std::string_view thing) {
  if (mean.count < 2) return fmt::format("{} (one {}, no interval)", share(mean.mean), thing);
  return fmt::format("{} (95 % interval {}, {})", share(mean.mean), interval(mean),
                     counted(mean.count, thing));
}

std::string best(const SweepResults& results) {
  const std::optional<size_t> index = best_configuration(results);
  if (!index) return {};
  const std::string& name = results.sweep->configurations[*index].name;
  const std::string mean = mean_with_interval(results.configurations[*index].accuracy);
  if (results.configurations.size() == 1) {
    return fmt::format("The mean test accuracy of {} is {}.", name, mean);
  }
  return fmt::format("{} has the highest mean test accuracy: {}.", name, mean);
}

std::string baseline(const SweepResults& results) {
  if (results.configurations.size() < 2) return {};
  const ConfigurationResult& result = results.configurations[results.baseline];
  return fmt::format("All are compared with {}, the baseline: {}.",
                     results.sweep->configurations[results.baseline].name,
                     result.accuracy.count ? mean_with_interval(result.accuracy)
                                           : "none of its seeds is done yet");
}

std::vector<ComparisonSentence> comparisons(const SweepResults& results, size_t most) {
  std::vector<const ConfigurationResult*> said;
  size_t shown = 0;
  for (const ConfigurationResult& result : results.configurations) {
    if (difference_sentence(results, result).empty()) continue;
    said.push_back(&result);
    shown += shows_difference(result);
  }
  const size_t all = said.size();
  if (all > most) {
    const auto rank = [](const ConfigurationResult* result) {
      return std::pair(shows_difference(*result), std::abs(result->difference->difference.mean));
    };
    std::stable_sort(said.begin(), said.end(),
                     [&](const auto* a, const auto* b) { return rank(a) > rank(b); });
    said.resize(most);
  }
  std::vector<ComparisonSentence> sentences;
  for (const ConfigurationResult* result : said) {
    const bool more = result->difference->difference.mean > 0;
    sentences.push_back({!shows_difference(*result) ? ""
                         : more                     ? "gains"
                                                    : "costs",
                         difference_sentence(results, *result) + "."});
  }
  if (all > most) {
    sentences.push_back(
        {"", fmt::format("These are {} of {} comparisons: first the differences that seeds show, "
                         "which are {}, then by size.",
                         most, all, shown)});
  }
  return sentences;
}

std::vector<std::string> method(const SweepResults& results) {
  std::vector<std::string> text{
      "Accuracies are of the test images, after training, of the weights that the run kept. A "
      "point of accuracy is a hundredth: from 70 % to 65 % are 5 points.",
      "Intervals are of 95 %, by Student's t with one degree of freedom less than there are seeds. "
      "They assume that seeds are independent and their accuracies about normally distributed. "
      "They say how far another draw of seeds may move the mean; what another set of test images "
      "would do is not in them."};
  if (results.configurations.size() > 1) {
    text.push_back(fmt::format(
        "Differences are to {}, paired by seed: the mean over the seeds that both have of one "
        "accuracy minus the other. p is of the two-sided paired t-test; the corrected p, which is "
        "the one of the sentences, is after Holm, for {}. A difference is called one when its "
        "interval leaves out 0 and the corrected "
        "p is below 0.05; otherwise so many seeds do not show one, which does not prove that there "
        "is none.",
        results.sweep->configurations[results.baseline].name,
        counted(results.comparisons, "comparison")));
  }
  if (results.configurations.size() > 2) {
    text.emplace_back(
        "The highest of several means is partly the luckiest: expect a little less from it in new "
        "runs.");
  }
  if (!results.effects.empty()) {
    text.emplace_back(
        "The mean of a factor's level is over all configurations and seeds that have it. Its "
        "interval holds what the other factors do too, so it is wider than the seeds alone would "
        "make it.");
  }
  return text;
}

std::string level(const Value& value) {
  if (value.is(Value::Kind::string)) return value.string();
  std::string text = to_json(value, -1);
  constexpr size_t kLong = 8;  // characters; of what random draws
  return value.is(Value::Kind::number) && text.size() > kLong
             ? fmt::format("{:.6g}", value.number())
             : text;
}

std::vector<size_t> listed(const SweepResults& results) {
  std::vector<size_t> order(results.configurations.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() <= kMany) return order;
  const auto mean = [&](size_t i) {
    const MeanInterval& accuracy = results.configurations[i].accuracy;
    return accuracy.count ? accuracy.mean : -1.0;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return mean(a) > mean(b); });
  return order;
}

std::vector<FailedPoint> failed_points(const SweepResults& results) {
  std::vector<FailedPoint> failed;
  for (const ConfigurationResult& result : results.configurations) {
    for (const PointResult& point : result.points) {
      const PointState state = state_of(point);
      if (state != PointState::failed && state != PointState::skipped) continue;
      failed.push_back({results.sweep->configurations[result.configuration].name,
                        results.sweep->points[point.point].seed, state_name(state),
                        &*point.record});
    }
  }
  return failed;
}

std::vector<std::string> matrix_columns(const SweepResults& results) {
  std::vector<std::string> names;
  for (const std::vector<size_t>& column : results.matrix->columns) {
    names.push_back(results.sweep->configurations[column.front()].name);
  }
  return names;
}

std::string shared_columns(const SweepResults& results) {
  constexpr size_t kMostNames = 8;
  const TrainedEvaluated& matrix = *results.matrix;
  if (matrix.columns.size() == matrix.configurations.size()) return {};
  const std::string rule = "Configurations that preprocess alike share a column";
  if (matrix.configurations.size() > matrix.columns.size() + kMostNames)
    return rule + ", named after the first of them.";
  std::vector<std::string> columns;
  for (const std::vector<size_t>& column : matrix.columns) {
    if (column.size() == 1) continue;
    std::vector<std::string_view> others;
    for (size_t i = 1; i < column.size(); ++i) {
      others.emplace_back(results.sweep->configurations[column[i]].name);
    }
    columns.push_back(fmt::format("{} with {}", results.sweep->configurations[column.front()].name,
                                  fmt::join(others, ", ")));
  }
  return fmt::format("{}: {}.", rule, fmt::join(columns, "; "));
}

}  // namespace sweep_words

bool shows_difference(const ConfigurationResult& result) {
  if (!result.difference) return false;
  const MeanInterval& difference = result.difference->difference;
  return (difference.low > 0 || difference.high < 0) && result.corrected_p < 0.05;
}

std::string difference_sentence(const SweepResults& results, const ConfigurationResult& result) {
  using namespace sweep_words;
  if (!result.difference || result.difference->difference.count == 0) return {};
  const MeanInterval& difference = result.difference->difference;
  const std::string& name = results.sweep->configurations[result.configuration].name;
  const std::string& baseline = results.sweep->configurations[results.baseline].name;
  const bool more = difference.mean > 0;
  const int digits = digits_of(difference);
  const std::string size = points(std::abs(difference.mean), digits);
  const std::string seeds = counted(difference.count, "seed");
  if (difference.count == 1) {
    if (difference.mean == 0) {
      return fmt::format("{} has the test accuracy of {} with one seed, which gives no interval",
                         name, baseline);
    }
    return fmt::format(
        "{} has {} points of test accuracy {} than {} with one seed, which gives no "
        "interval",
        name, size, more ? "more" : "less", baseline);
  }
  if (difference.deviation == 0 && difference.mean == 0) {
    return fmt::format("{} has the test accuracy of {} with each of {}", name, baseline, seeds);
  }
  if (!shows_difference(result)) {
    const bool by_correction = difference.low > 0 || difference.high < 0;
    return fmt::format(
        "{} makes no difference that {} can show{} ({} points of test accuracy, 95 % interval {}, "
        "{}{})",
        name, seeds,
        by_correction ? fmt::format(" among {}", counted(results.comparisons, "comparison")) : "",
        points(difference.mean, digits), points_interval(difference, digits),
        by_correction ? "corrected " : "", p_equation(result.corrected_p));
  }
  const double low = more ? difference.low : -difference.high;
  const double high = more ? difference.high : -difference.low;
  return fmt::format("{} {} {} points of test accuracy (95 % interval {} to {}, {}, {})", name,
                     more ? "gains" : "costs", size, points(low, digits), points(high, digits),
                     seeds, p_equation(result.corrected_p));
}

}  // namespace engine
