#include "engine/sweep/results.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/core/error.h"

namespace engine {
namespace {

/// NaN: not done, or done without such a number.
double number_of(const PointResult& point, double Record::*member) {
  if (state_of(point) != PointState::done) return std::numeric_limits<double>::quiet_NaN();
  return (*point.record).*member;
}

std::vector<double> numbers_of(const ConfigurationResult& result, double Record::*member) {
  std::vector<double> numbers;
  for (const PointResult& point : result.points) {
    const double number = number_of(point, member);
    if (std::isfinite(number)) numbers.push_back(number);
  }
  return numbers;
}

void count_points(SweepResults& results, ConfigurationResult& configuration) {
  for (const PointResult& point : configuration.points) {
    switch (state_of(point)) {
      case PointState::done:
        ++results.done, ++configuration.done;
        break;
      case PointState::failed:
      case PointState::skipped:
        ++results.failed, ++configuration.failed;
        break;
      case PointState::running:
        ++results.running;
        break;
      case PointState::waiting:
        ++results.waiting;
        break;
    }
  }
}

void compare(SweepResults& results) {
  const std::vector<SweepPoint>& points = results.sweep->points;
  std::map<int64_t, double> baseline;  // by seed
  for (const PointResult& point : results.configurations[results.baseline].points) {
    const double accuracy = number_of(point, &Record::test_accuracy);
    if (std::isfinite(accuracy)) baseline[points[point.point].seed] = accuracy;
  }
  std::vector<double> p;
  for (ConfigurationResult& result : results.configurations) {
    p.push_back(std::numeric_limits<double>::quiet_NaN());
    if (result.configuration == results.baseline) continue;
    std::vector<double> own, others;
    for (const PointResult& point : result.points) {
      const double accuracy = number_of(point, &Record::test_accuracy);
      const auto other = baseline.find(points[point.point].seed);
      if (!std::isfinite(accuracy) || other == baseline.end()) continue;
      own.push_back(accuracy);
      others.push_back(other->second);
    }
    result.difference = paired_difference(own, others);
    p.back() = result.difference->p;
    if (!std::isnan(p.back())) ++results.comparisons;
  }
  const std::vector<double> corrected = holm(p);
  for (size_t i = 0; i < corrected.size(); ++i)
    results.configurations[i].corrected_p = corrected[i];
}

/// Values of a factor that some configuration has: in the grid's order, else numbers by size, else
/// as they come.
std::vector<Value> levels_of(const Sweep& sweep, const std::string& key) {
  std::map<std::string, size_t> places;  // by the value's text
  const auto factor = std::find_if(sweep.file.grid.begin(), sweep.file.grid.end(),
                                   [&](const Factor& each) { return each.key == key; });
  const bool in_grid = factor != sweep.file.grid.end();
  if (in_grid) {
    for (const Value& value : factor->values) places.emplace(to_json(value, -1), places.size());
  }
  std::vector<std::pair<size_t, Value>> found;
  std::map<std::string, bool> seen;
  for (const Configuration& configuration : sweep.configurations) {
    for (const Setting& setting : configuration.factors) {
      if (setting.key != key || seen[to_json(setting.value, -1)]) continue;
      const std::string text = to_json(setting.value, -1);
      seen[text] = true;
      found.emplace_back(places.emplace(text, places.size()).first->second, setting.value);
    }
  }
  const bool numbers = std::all_of(found.begin(), found.end(),
                                   [](const auto& each) { return each.second.is_number(); });
  std::stable_sort(found.begin(), found.end(), [&](const auto& a, const auto& b) {
    if (numbers && !in_grid) return a.second.number() < b.second.number();
    return a.first < b.first;
  });
  std::vector<Value> levels;
  for (auto& [place, value] : found) levels.push_back(std::move(value));
  return levels;
}

FactorEffect effect_of(const SweepResults& results, const std::string& key) {
  std::map<std::string, std::vector<double>> accuracies;  // by the level's text
  for (const ConfigurationResult& result : results.configurations) {
    for (const Setting& setting : results.sweep->configurations[result.configuration].factors) {
      if (setting.key != key) continue;
      std::vector<double>& of_level = accuracies[to_json(setting.value, -1)];
      const std::vector<double> own = test_accuracies(result);
      of_level.insert(of_level.end(), own.begin(), own.end());
    }
  }
  FactorEffect effect;
  effect.key = key;
  for (Value& value : levels_of(*results.sweep, key)) {
    const std::vector<double>& own = accuracies[to_json(value, -1)];
    effect.levels.push_back({std::move(value), mean_interval(own)});
    const MeanInterval& best = effect.levels[effect.best].accuracy;
    // A level without numbers is no best one, whatever NaN compares to.
    if (!own.empty() && !(best.mean >= effect.levels.back().accuracy.mean)) {
      effect.best = effect.levels.size() - 1;
    }
  }
  return effect;
}

std::vector<FactorEffect> effects_of(const SweepResults& results) {
  std::vector<std::string> keys;
  for (const Configuration& configuration : results.sweep->configurations) {
    for (const Setting& setting : configuration.factors) {
      if (std::find(keys.begin(), keys.end(), setting.key) == keys.end()) {
        keys.push_back(setting.key);
      }
    }
  }
  const std::vector<std::string> names = factor_names(keys);
  std::vector<FactorEffect> effects;
  for (size_t i = 0; i < keys.size(); ++i) {
    effects.push_back(effect_of(results, keys[i]));
    effects.back().name = names[i];
  }
  return effects;
}

/// The column of each configuration: one for each way to preprocess.
std::vector<size_t> columns_of(const Sweep& sweep, TrainedEvaluated& matrix) {
  std::map<std::string_view, size_t> known;
  std::vector<size_t> columns;
  for (size_t i = 0; i < sweep.configurations.size(); ++i) {
    const auto [found, added] =
        known.emplace(sweep.configurations[i].preprocessing, matrix.columns.size());
    if (added) matrix.columns.emplace_back();
    matrix.columns[found->second].push_back(i);
    columns.push_back(found->second);
  }
  return columns;
}

/// What one network says of each preprocessing, added to a row of the matrix. A record has a cell
/// for each configuration, and so the same numbers again where some preprocess alike.
void add_to_row(const Record& record, size_t own, const std::map<std::string, size_t>& columns,
                std::vector<std::vector<double>>& samples, std::vector<std::string>& reasons) {
  std::vector<bool> has(samples.size());
  for (const MatrixCell& cell : record.matrix) {
    const auto found = columns.find(cell.with);
    if (found == columns.end() || has[found->second]) continue;
    has[found->second] = true;
    if (std::isfinite(cell.accuracy)) {
      samples[found->second].push_back(cell.accuracy);
    } else {
      reasons[found->second] = cell.reason.empty() ? "no accuracy" : cell.reason;
    }
  }
  if (!has[own] && std::isfinite(record.test_accuracy)) {
    samples[own].push_back(record.test_accuracy);
  }
}

std::optional<TrainedEvaluated> matrix_of(const SweepResults& results) {
  const Sweep& sweep = *results.sweep;
  bool wanted = sweep.file.matrix;
  for (const ConfigurationResult& result : results.configurations) {
    for (const PointResult& point : result.points) {
      wanted = wanted || (point.record && !point.record->matrix.empty());
    }
  }
  if (!wanted) return std::nullopt;
  TrainedEvaluated matrix;
  matrix.own = columns_of(sweep, matrix);
  std::map<std::string, size_t> columns;
  for (size_t i = 0; i < sweep.configurations.size(); ++i) {
    columns[sweep.configurations[i].name] = matrix.own[i];
  }
  for (const ConfigurationResult& result : results.configurations) {
    matrix.configurations.push_back(result.configuration);
    std::vector<std::vector<double>> samples(matrix.columns.size());
    std::vector<std::string> reasons(matrix.columns.size());
    for (const PointResult& point : result.points) {
      if (state_of(point) != PointState::done) continue;
      add_to_row(*point.record, matrix.own[result.configuration], columns, samples, reasons);
    }
    std::vector<MeanInterval>& row = matrix.cells.emplace_back();
    for (const std::vector<double>& cell : samples) row.push_back(mean_interval(cell));
    matrix.reasons.push_back(std::move(reasons));
  }
  return matrix;
}

}  // namespace

PointState state_of(const PointResult& point) {
  if (point.record && point.record->state == Record::State::done) return PointState::done;
  if (point.running) return PointState::running;  // once more, maybe
  if (!point.record) return PointState::waiting;
  return point.record->state == Record::State::failed ? PointState::failed : PointState::skipped;
}

std::string_view state_name(PointState state) {
  constexpr std::string_view kNames[] = {"waiting", "running", "done", "failed", "skipped"};
  return kNames[static_cast<size_t>(state)];
}

std::vector<double> test_accuracies(const ConfigurationResult& result) {
  return numbers_of(result, &Record::test_accuracy);
}

std::optional<size_t> best_configuration(const SweepResults& results) {
  std::optional<size_t> best;
  for (size_t i = 0; i < results.configurations.size(); ++i) {
    const MeanInterval& accuracy = results.configurations[i].accuracy;
    if (accuracy.count == 0) continue;
    if (!best || accuracy.mean > results.configurations[*best].accuracy.mean) best = i;
  }
  return best;
}

SweepResults gather_results(const Sweep& sweep, std::vector<PointResult> points, size_t baseline) {
  if (points.size() != sweep.points.size() ||
      (baseline >= sweep.configurations.size() && !sweep.configurations.empty())) {
    fail(ExitCode::internal, "results of {} points for a sweep of {}, baseline {} of {}",
         points.size(), sweep.points.size(), baseline, sweep.configurations.size());
  }
  SweepResults results;
  results.sweep = &sweep;
  results.baseline = baseline;
  results.configurations.resize(sweep.configurations.size());
  for (size_t i = 0; i < points.size(); ++i) {
    points[i].point = i;
    results.configurations[sweep.points[i].configuration].points.push_back(std::move(points[i]));
  }
  for (size_t i = 0; i < results.configurations.size(); ++i) {
    ConfigurationResult& result = results.configurations[i];
    result.configuration = i;
    count_points(results, result);
    result.accuracy = mean_interval(test_accuracies(result));
    result.loss = mean_interval(numbers_of(result, &Record::test_loss));
    result.validation_accuracy = mean_interval(numbers_of(result, &Record::validation_accuracy));
    result.seconds = mean_interval(numbers_of(result, &Record::seconds)).mean;
  }
  if (!results.configurations.empty()) compare(results);
  results.effects = effects_of(results);
  results.matrix = matrix_of(results);
  return results;
}

}  // namespace engine
