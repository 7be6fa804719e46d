#include "engine/sweep/table/page_sections.h"

#include <fmt/format.h>

#include "engine/report/svg.h"
#include "engine/sweep/table/figure_parts.h"
#include "engine/sweep/table/links.h"
#include "engine/sweep/table/page_table.h"
#include "engine/sweep/table/table.h"
#include "engine/sweep/table/words.h"

namespace engine::page_sections {
namespace {

using namespace sweep_words;

constexpr size_t kLevelsListed = 30;

std::string level_row(const FactorEffect& effect, size_t index) {
  const FactorLevel& each = effect.levels[index];
  const bool best = index == effect.best && each.accuracy.count > 0;
  return fmt::format("<tr{}><th scope=\"row\">{} = {}{}</th>{}{}{}</tr>\n",
                     best ? " class=\"best\"" : "", name(effect.name), name(level(each.value)),
                     best ? " <span class=\"tag\">best</span>" : "",
                     number_cell(share(each.accuracy.mean)), number_cell(interval(each.accuracy)),
                     number_cell(std::to_string(each.accuracy.count)));
}

/// Not where nearly every configuration has a level of its own, which random draws give it.
bool lists_all_levels(const SweepResults& results, const FactorEffect& effect) {
  const size_t levels = effect.levels.size();
  return levels <= sweep_figures::kMostLevels ||
         (levels <= kLevelsListed && 2 * levels <= results.configurations.size());
}

std::string level_rows(const SweepResults& results, const FactorEffect& effect) {
  if (!lists_all_levels(results, effect)) return level_row(effect, effect.best);
  std::string rows;
  for (size_t i = 0; i < effect.levels.size(); ++i) rows += level_row(effect, i);
  return rows;
}

std::string effects_caption(const SweepResults& results) {
  std::string text = "Main effects: the mean of each level with its 95 % interval.";
  bool numbers = false, others = false;
  for (const FactorEffect& effect : results.effects) {
    if (effect.levels.size() <= sweep_figures::kMostLevels) continue;
    (sweep_figures::LevelScale(effect).by_size() ? numbers : others) = true;
  }
  if (numbers)
    text += fmt::format(" Of more than {} numbers each is a dot.", sweep_figures::kMostLevels);
  if (others)
    text += fmt::format(" Of more than {0} other levels the first {0} are shown.",
                        sweep_figures::kMostLevels);
  return text;
}

std::string best_levels(const SweepResults& results) {
  std::string text;
  for (const FactorEffect& effect : results.effects) {
    if (effect.levels.empty() || effect.levels[effect.best].accuracy.count == 0) continue;
    const FactorLevel& best = effect.levels[effect.best];
    text += fmt::format("<li>{}: {} ({})</li>\n", name(effect.name), name(level(best.value)),
                        share(best.accuracy.mean));
  }
  return text.empty() ? text : "<ul class=\"method\">\n" + text + "</ul>\n";
}

std::string matrix_cell(const TrainedEvaluated& matrix, size_t row, size_t column) {
  const MeanInterval& cell = matrix.cells[row][column];
  const std::string place = matrix.own[row] == column ? " own" : "";
  if (cell.count == 0) {
    const std::string& reason = matrix.reasons[row][column];
    return fmt::format("<td class=\"none{}\"><span class=\"more\">{}</span></td>", place,
                       reason.empty() ? "none yet" : name(reason));
  }
  return fmt::format(
      "<td class=\"number{}\">{}{}</td>", place, share(cell.mean),
      cell.count < 2 ? "" : fmt::format("<span class=\"more\">{}</span>", interval(cell)));
}

std::string matrix_rows(const SweepResults& results) {
  std::string rows;
  const TrainedEvaluated& matrix = *results.matrix;
  for (size_t i = 0; i < matrix.cells.size(); ++i) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>",
                        name(results.sweep->configurations[matrix.configurations[i]].name));
    for (size_t j = 0; j < matrix.cells[i].size(); ++j) rows += matrix_cell(matrix, i, j);
    rows += "</tr>\n";
  }
  return rows;
}

std::string log_cell(const Record& record) {
  const std::string link = encoded_path(record.log);
  const std::string text = "<code>" + name(record.log) + "</code>";
  if (link.empty()) return "<td>" + (record.log.empty() ? "none" : text) + "</td>";
  return fmt::format("<td><a href=\"{}\">{}</a></td>", escape_xml(link), text);
}

/// The beginning of a part that scrolls; who uses a keyboard can go there.
std::string scrolled(std::string_view label, bool tall) {
  return fmt::format("<div class=\"scroll{}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n",
                     tall ? " tall" : "", escape_xml(label));
}

/// Lines stay lines: escape_xml makes spaces of their ends.
std::string lines(std::string_view text) {
  std::string out;
  while (true) {
    const size_t end = text.find('\n');
    out += name(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += "<br>";
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string name(std::string_view text) {
  return "<bdi>" + escape_xml(text) + "</bdi>";
}

std::string number_cell(std::string_view text) {
  return "<td class=\"number\">" + escape_xml(text) + "</td>";
}

std::string table(std::string_view caption, std::string_view kinds,
                  const std::vector<std::string_view>& columns, const std::string& rows,
                  bool tall) {
  std::string out = scrolled(caption, tall) + fmt::format(
                                                  "<table>\n<caption>{}</caption>\n"
                                                  "<thead><tr>",
                                                  escape_xml(caption));
  for (size_t i = 0; i < columns.size(); ++i) {
    out += fmt::format("<th scope=\"col\"{}>{}</th>", kinds[i] == 'n' ? " class=\"number\"" : "",
                       name(columns[i]));
  }
  return out + "</tr></thead>\n<tbody>\n" + rows + "</tbody>\n</table>\n</div>\n";
}

std::string page_figure(const std::string& svg, std::string_view caption, bool fluid) {
  const bool scrolls = !fluid || svg.starts_with("<svg class=\"wide\"");
  const std::string begin =
      scrolls ? scrolled("Figure: " + std::string(caption), false) : "<div class=\"rows\">\n";
  return fmt::format("<figure>\n<figcaption>{}</figcaption>\n{}{}</div>\n</figure>\n",
                     escape_xml(caption), begin, svg);
}

std::string factors(const SweepResults& results) {
  if (results.effects.empty()) return {};
  std::string rows;
  bool cut = false;
  for (const FactorEffect& effect : results.effects) {
    rows += level_rows(results, effect);
    cut = cut || !lists_all_levels(results, effect);
  }
  std::string out =
      "<section id=\"factors\">\n<h2>Factors</h2>\n<p class=\"note\">Mean test accuracy by level "
      "of each factor, over all configurations and seeds that have it. The best level of "
      "each:</p>\n" +
      best_levels(results) + "<h3>Levels</h3>\n" +
      (cut ? "<p class=\"note\">Of factors with many levels only the best is listed; all are in "
             "the CSV of the points.</p>\n"
           : "") +
      table("Factors with the mean test accuracy of each level", "tnnn",
            {"level", "mean", "95 % interval", "runs"}, rows);
  if (const std::string figure = effects_figure(results); !figure.empty()) {
    out += page_figure(figure, effects_caption(results), true);
  }
  if (const std::string figure = heat_figure(results); !figure.empty()) {
    out +=
        "<h3>Both factors</h3>\n" +
        page_figure(figure, "Mean test accuracy and 95 % interval of each pair of levels.", false);
  }
  if (const std::string figure = parallel_figure(results); !figure.empty()) {
    out += "<h3>All factors</h3>\n" +
           page_figure(figure,
                       "Each line is a configuration, from its level of each factor to its mean "
                       "test accuracy. The best tenth is orange.",
                       false);
  }
  return out + "</section>\n";
}

std::string matrix(const SweepResults& results) {
  if (!results.matrix) return {};
  std::string out =
      "<section id=\"matrix\">\n<h2>Trained on, evaluated on</h2>\n<p class=\"note\">Mean test "
      "accuracy over seeds, with 95 % interval: each row is of networks trained on one "
      "configuration, each column evaluates them with another one's preprocessing.</p>\n";
  if (const std::string shared = sweep_words::shared_columns(results); !shared.empty()) {
    out += "<p class=\"note\">" + name(shared) + "</p>\n";
  }
  const size_t size = results.matrix->configurations.size();
  if (size > sweep_figures::kMostCells) {
    return out + fmt::format(
                     "<p>{} rows are too many for a page; all are in the CSV "
                     "of the matrix.</p>\n</section>\n",
                     size);
  }
  const std::vector<std::string> columns = sweep_words::matrix_columns(results);
  std::vector<std::string_view> head{"trained on"};
  head.insert(head.end(), columns.begin(), columns.end());
  out += table("Test accuracy by configuration trained on and evaluated on",
               "t" + std::string(columns.size(), 'n'), head, matrix_rows(results));
  if (const std::string figure = matrix_figure(results); !figure.empty()) {
    out += page_figure(figure,
                       "The same, coloured from the lowest to the highest mean. The interval is "
                       "below each mean.",
                       false);
  }
  return out + "</section>\n";
}

std::string failures(const SweepResults& results) {
  const std::vector<FailedPoint> failed = failed_points(results);
  if (failed.empty()) return {};
  std::string rows;
  for (const FailedPoint& point : failed) {
    const Record& record = *point.record;
    rows +=
        fmt::format("<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td>",
                    name(point.configuration), point.seed) +
        fmt::format("<td>{}</td>", point.state) +
        number_cell(record.state == Record::State::failed ? std::to_string(record.exit_code) : "") +
        "<td class=\"reason\">" + lines(record.reason) + "</td>" + log_cell(record) + "</tr>\n";
  }
  return "<section id=\"failures\">\n<h2>Points that failed</h2>\n<p class=\"note\">They are in no "
         "mean. An exit code -N says that signal N ended the run; skipped points start from one "
         "that failed.</p>\n" +
         table("Points that failed, with reason and log", "tntntt",
               {"configuration", "seed", "state", "exit code", "reason", "log"}, rows,
               failed.size() > 20) +
         "</section>\n";
}

std::string method(const SweepResults& results) {
  std::string out =
      "<section id=\"method\">\n<h2>How this was computed</h2>\n<ul class=\"method\">\n";
  for (const std::string& line : sweep_words::method(results)) {
    out += "<li>" + escape_xml(line) + "</li>\n";
  }
  return out + "</ul>\n</section>\n";
}

}  // namespace engine::page_sections
