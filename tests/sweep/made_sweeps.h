#pragma once

// Sweeps and results made by hand, as the engine would have expanded and run them.

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/sweep/results.h"

namespace engine::test {

struct PlannedConfiguration {
  std::string name;
  std::vector<Setting> factors;
};

inline Sweep made_sweep(const std::vector<PlannedConfiguration>& planned,
                        const std::vector<int64_t>& seeds) {
  Sweep sweep;
  sweep.file.name = "made";
  sweep.file.path = "sweeps/made.json";
  sweep.file.seeds = seeds;
  for (const PlannedConfiguration& each : planned) {
    Configuration configuration;
    configuration.name = configuration.preprocessing = each.name;
    configuration.factors = each.factors;
    sweep.configurations.push_back(std::move(configuration));
  }
  for (size_t i = 0; i < planned.size(); ++i) {
    for (const int64_t seed : seeds) {
      SweepPoint point;
      point.configuration = i;
      point.seed = seed;
      point.folder = fmt::format("{}-seed{}-3f5c8e21", planned[i].name, seed);
      sweep.points.push_back(std::move(point));
    }
  }
  return sweep;
}

/// "sigma=0.1" for every pair of levels, and so on.
inline std::vector<PlannedConfiguration> crossed(
    const std::vector<std::pair<std::string, std::vector<Value>>>& factors) {
  std::vector<PlannedConfiguration> planned{{}};
  for (const auto& [key, values] : factors) {
    std::vector<PlannedConfiguration> longer;
    for (const PlannedConfiguration& before : planned) {
      for (const Value& value : values) {
        PlannedConfiguration next = before;
        if (!next.name.empty()) next.name += ", ";
        next.name += key.substr(key.rfind('.') + 1) + "=" + to_json(value, -1);
        next.factors.push_back({key, value});
        longer.push_back(std::move(next));
      }
    }
    planned = std::move(longer);
  }
  return planned;
}

inline Record done_record(const Sweep& sweep, size_t point, double accuracy) {
  Record record;
  record.configuration = sweep.configurations[sweep.points[point].configuration].name;
  record.folder = sweep.points[point].folder;
  record.seed = sweep.points[point].seed;
  record.attempts = 1;
  record.seconds = 61.5 + static_cast<double>(point);
  record.test_accuracy = accuracy;
  record.test_loss = 1 - accuracy;
  record.validation_accuracy = accuracy + 0.01;
  record.validation_loss = 0.9 - accuracy;
  record.epochs = 20;
  record.best_epoch = 17;
  return record;
}

inline PointResult failed_point(const Sweep& sweep, size_t point, std::string reason) {
  Record record = done_record(sweep, point, 0);
  record.state = Record::State::failed;
  record.exit_code = 6;
  record.reason = std::move(reason);
  record.log = "logs/" + record.folder + ".log";
  return {point, record, false};
}

/// Every point done, with the accuracy that the function gives to its configuration and seed.
inline std::vector<PointResult> done_points(
    const Sweep& sweep, const std::function<double(size_t configuration, int64_t seed)>& accuracy) {
  std::vector<PointResult> points;
  for (size_t i = 0; i < sweep.points.size(); ++i) {
    points.push_back(
        {i, done_record(sweep, i, accuracy(sweep.points[i].configuration, sweep.points[i].seed)),
         false});
  }
  return points;
}

/// Every network under every configuration's preprocessing: the farther apart, the worse.
inline void add_matrix(const Sweep& sweep, std::vector<PointResult>& points) {
  for (PointResult& point : points) {
    if (state_of(point) != PointState::done) continue;
    const size_t own = sweep.points[point.point].configuration;
    for (size_t other = 0; other < sweep.configurations.size(); ++other) {
      const auto apart = static_cast<double>(own > other ? own - other : other - own);
      MatrixCell cell;
      cell.with = sweep.configurations[other].name;
      cell.accuracy = point.record->test_accuracy * (1 - 0.11 * apart);
      cell.loss = 1 - cell.accuracy;
      point.record->matrix.push_back(std::move(cell));
    }
  }
}

}  // namespace engine::test
