// Tables of a sweep as CSV.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/report/tables.h"
#include "engine/sweep/table/table.h"
#include "engine/sweep/table/words.h"

namespace engine {
namespace {

/// A number as JSON writes it, the shortest text that reads back bit for bit; none: an empty cell.
std::string csv_number(double value) {
  return std::isfinite(value) ? to_json(Value(value), -1) : std::string();
}

std::string csv_value(const Value& value) {
  if (value.is(Value::Kind::string)) return csv_text(value.string());
  const std::string text = to_json(value, -1);
  return value.is_number() ? text : csv_text(text);
}

/// Keys of factors, whole: short names could be those of other columns.
std::string factor_names_line(const SweepResults& results) {
  std::string line;
  for (const FactorEffect& effect : results.effects) line += "," + csv_text(effect.key);
  return line;
}

/// A cell for each factor; empty where the configuration does not have it.
std::string factor_cells(const SweepResults& results, const Configuration& configuration) {
  std::string cells;
  for (const FactorEffect& effect : results.effects) {
    const auto setting = std::find_if(configuration.factors.begin(), configuration.factors.end(),
                                      [&](const Setting& each) { return each.key == effect.key; });
    cells += "," + (setting == configuration.factors.end() ? "" : csv_value(setting->value));
  }
  return cells;
}

/// test_accuracy to run folder.
std::string record_cells(const PointResult& point, const std::string& folder) {
  if (!point.record) return fmt::format(",,,,,,,,,,,{}", csv_text(folder));
  const Record& record = *point.record;
  std::string cells = ",,,,,,";  // what only points have that are done
  if (record.state == Record::State::done) {
    cells = fmt::format(",{},{},{},{},{},{}", csv_number(record.test_accuracy),
                        csv_number(record.test_loss), csv_number(record.validation_accuracy),
                        csv_number(record.validation_loss), record.epochs, record.best_epoch);
  }
  return cells + fmt::format(",{},{},{},{},{}", csv_number(record.seconds), record.attempts,
                             record.exit_code, csv_text(record.reason), csv_text(folder));
}

std::string mean_cells(const MeanInterval& mean) {
  return fmt::format(",{},{},{},{}", csv_number(mean.mean), csv_number(mean.deviation),
                     csv_number(mean.low), csv_number(mean.high));
}

}  // namespace

std::string points_csv(const SweepResults& results) {
  std::string table = "configuration,seed,state" + factor_names_line(results) +
                      ",test_accuracy,test_loss,validation_accuracy,validation_loss,epochs,"
                      "best_epoch,seconds,attempts,exit_code,reason,folder\n";
  for (const ConfigurationResult& result : results.configurations) {
    const Configuration& configuration = results.sweep->configurations[result.configuration];
    const std::string factors = factor_cells(results, configuration);
    for (const PointResult& point : result.points) {
      const SweepPoint& planned = results.sweep->points[point.point];
      table +=
          fmt::format("{},{},{}{}{}\n", csv_text(configuration.name), planned.seed,
                      state_name(state_of(point)), factors, record_cells(point, planned.folder));
    }
  }
  return table;
}

std::string configurations_csv(const SweepResults& results) {
  std::string table =
      "configuration" + factor_names_line(results) +
      ",points,done,failed,seeds,test_accuracy,deviation,low,high,pairs,difference,"
      "difference_low,difference_high,p,corrected_p,test_loss,validation_accuracy,seconds\n";
  for (const ConfigurationResult& result : results.configurations) {
    const Configuration& configuration = results.sweep->configurations[result.configuration];
    table += fmt::format("{}{},{},{},{},{}{}", csv_text(configuration.name),
                         factor_cells(results, configuration), result.points.size(), result.done,
                         result.failed, result.accuracy.count, mean_cells(result.accuracy));
    if (result.difference) {
      const MeanInterval& difference = result.difference->difference;
      table += fmt::format(",{},{},{},{},{},{}", difference.count, csv_number(difference.mean),
                           csv_number(difference.low), csv_number(difference.high),
                           csv_number(result.difference->p), csv_number(result.corrected_p));
    } else {
      table += ",,,,,,";
    }
    table += fmt::format(",{},{},{}\n", csv_number(result.loss.mean),
                         csv_number(result.validation_accuracy.mean), csv_number(result.seconds));
  }
  return table;
}

std::string matrix_csv(const SweepResults& results) {
  if (!results.matrix) return {};
  const TrainedEvaluated& matrix = *results.matrix;
  const std::vector<std::string> columns = sweep_words::matrix_columns(results);
  std::string table = "trained_on,evaluated_on,seeds,mean,low,high,reason\n";
  for (size_t row = 0; row < matrix.cells.size(); ++row) {
    const std::string name =
        csv_text(results.sweep->configurations[matrix.configurations[row]].name);
    for (size_t column = 0; column < columns.size(); ++column) {
      const MeanInterval& cell = matrix.cells[row][column];
      table += fmt::format("{},{},{},{},{},{},{}\n", name, csv_text(columns[column]), cell.count,
                           csv_number(cell.mean), csv_number(cell.low), csv_number(cell.high),
                           csv_text(cell.count ? "" : matrix.reasons[row][column]));
    }
  }
  return table;
}

}  // namespace engine
