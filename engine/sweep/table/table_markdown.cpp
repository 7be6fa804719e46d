// A sweep as a Markdown document.

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/report/svg.h"
#include "engine/sweep/table/links.h"
#include "engine/sweep/table/table.h"
#include "engine/sweep/table/words.h"

namespace engine {
namespace {

using namespace sweep_words;

constexpr size_t kSentences = 12;
constexpr size_t kLongestMatrix = 30;  // rows of a table that somebody may read

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), with);
    at += with.size();
  }
  return text;
}

/// Text as Markdown shows it, letter by letter, in a table's cell too: no HTML, no line break, no
/// emphasis, no link, no mention of an account, nothing that begins a list.
std::string markdown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\`*_[]#|~$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  out = replaced(replaced(escape_xml(out), "&quot;", "\""), "&#39;", "'");  // harmless in text
  out = replaced(replaced(out, "@", "&#64;"), "://", "&#58;//");
  const size_t digits = out.find_first_not_of("0123456789");
  if (digits == 0 && !out.empty() && (out[0] == '-' || out[0] == '+')) {
    out.insert(0, 1, '\\');
  } else if (digits > 0 && digits != std::string::npos && out[digits] == '.') {
    out.insert(digits, 1, '\\');
  }
  return out;
}

std::string row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

/// The first column is of names, the rest of numbers.
std::string table_head(const std::vector<std::string>& names) {
  std::string line = "|---|";
  for (size_t i = 1; i < names.size(); ++i) line += "---:|";
  return row(names) + line + "\n";
}

std::string seed_links(const SweepResults& results, const ConfigurationResult& result) {
  std::string text;
  for (const PointResult& point : result.points) {
    const SweepPoint& planned = results.sweep->points[point.point];
    const PointState state = state_of(point);
    if (!text.empty()) text += ", ";
    if (has_report(state)) {
      text += fmt::format("[{}]({})", planned.seed, report_link(planned.folder));
    } else {
      text += std::to_string(planned.seed);
    }
    if (state != PointState::done) text += fmt::format(" {}", state_name(state));
  }
  return text;
}

std::string configurations_table(const SweepResults& results) {
  std::string text =
      table_head({"configuration", "seeds done", "mean (%)", "sd (points)", "95 % interval",
                  "difference (points)", "95 % interval", "p", "corrected p", "reports of seeds"});
  for (const size_t index : listed(results)) {
    const ConfigurationResult& result = results.configurations[index];
    std::string difference = "baseline", interval_of, p, corrected;
    if (result.difference) {
      const MeanInterval& mean = result.difference->difference;
      const int digits = digits_of(mean);
      difference = points(mean.mean, digits, true);
      interval_of = points_interval(mean, digits, true);
      p = p_value(result.difference->p);
      corrected = p_value(result.corrected_p);
    }
    text +=
        row({markdown(results.sweep->configurations[index].name),
             fmt::format("{} of {}", result.done, result.points.size()),
             points(result.accuracy.mean, 2), points(result.accuracy.deviation, 2),
             points_interval(result.accuracy, 2), difference, interval_of, replaced(p, "<", "&lt;"),
             replaced(corrected, "<", "&lt;"), seed_links(results, result)});
  }
  return text;
}

std::string effects_text(const SweepResults& results) {
  if (results.effects.empty()) return {};
  std::string text =
      "## Factors\n\n" + table_head({"factor", "level", "mean", "95 % interval", "n"});
  for (const FactorEffect& effect : results.effects) {
    for (size_t i = 0; i < effect.levels.size(); ++i) {
      const MeanInterval& mean = effect.levels[i].accuracy;
      const bool best = i == effect.best && mean.count > 0;
      const std::string name = markdown(level(effect.levels[i].value));
      text += row({markdown(effect.name), best ? "**" + name + "** (best)" : name, share(mean.mean),
                   interval(mean), std::to_string(mean.count)});
    }
  }
  return text + "\nn counts configurations times seeds.\n\n";
}

std::string matrix_text(const SweepResults& results) {
  if (!results.matrix) return {};
  const TrainedEvaluated& matrix = *results.matrix;
  std::string text = "## Trained on, evaluated on\n\n";
  if (matrix.configurations.size() > kLongestMatrix) {
    return text + fmt::format(
                      "{} rows are too many for this document; they are in the CSV of the "
                      "matrix.\n\n",
                      matrix.configurations.size());
  }
  text +=
      "Mean test accuracy over seeds of networks trained on the row's configuration and "
      "evaluated with the column's preprocessing.\n\n";
  std::vector<std::string> cells{"trained on"};
  for (const std::string& column : sweep_words::matrix_columns(results)) {
    cells.push_back(markdown(column));
  }
  text += table_head(cells);
  for (size_t i = 0; i < matrix.cells.size(); ++i) {
    cells = {markdown(results.sweep->configurations[matrix.configurations[i]].name)};
    for (size_t j = 0; j < matrix.cells[i].size(); ++j) {
      const MeanInterval& cell = matrix.cells[i][j];
      if (cell.count == 0) {
        cells.push_back(markdown(matrix.reasons[i][j]));
      } else if (cell.count == 1) {
        cells.push_back(share(cell.mean));
      } else {
        cells.push_back(fmt::format("{} ({})", share(cell.mean), interval(cell)));
      }
    }
    text += row(cells);
  }
  if (const std::string shared = sweep_words::shared_columns(results); !shared.empty()) {
    text += "\n" + markdown(shared) + "\n";
  }
  return text + "\n";
}

std::string failures_text(const SweepResults& results) {
  const std::vector<FailedPoint> failed = failed_points(results);
  if (failed.empty()) return {};
  std::string text =
      "## Points that failed\n\n| configuration | seed | state | exit code | reason | log |\n"
      "|---|---:|---|---:|---|---|\n";
  for (const FailedPoint& point : failed) {
    text +=
        row({markdown(point.configuration), std::to_string(point.seed), std::string(point.state),
             point.record->state == Record::State::failed ? std::to_string(point.record->exit_code)
                                                          : "",
             markdown(point.record->reason), markdown(point.record->log)});
  }
  return text + "\n";
}

}  // namespace

std::string sweep_markdown(const SweepResults& results) {
  const SweepFile& file = results.sweep->file;
  std::string text = fmt::format("# {}\n\n", markdown(file.name.empty() ? "Sweep" : file.name));
  std::string answers;
  for (const auto& [kind, sentence] : comparisons(results, kSentences)) {
    answers += "- " + markdown(sentence) + "\n";
  }
  if (const std::string line = best(results); !line.empty())
    answers += "- " + markdown(line) + "\n";
  text += answers.empty() ? "- No point is done yet: there is nothing to compare.\n" : answers;
  if (const std::string line = baseline(results); !line.empty()) {
    text += "- " + markdown(line) + "\n";
  }
  text += "\n" + markdown(state(results)) + "\n\n";
  if (!file.description.empty()) text += markdown(file.description) + "\n\n";
  text += "## Configurations\n\n" + configurations_table(results) + "\n";
  text += effects_text(results) + matrix_text(results) + failures_text(results);
  text += "## How this was computed\n\n";
  for (const std::string& line : method(results)) text += "- " + markdown(line) + "\n";
  return text;
}

}  // namespace engine
