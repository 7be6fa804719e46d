// The table of configurations and its figure.

#include <fmt/format.h>

#include "engine/report/svg.h"
#include "engine/sweep/table/figure_parts.h"
#include "engine/sweep/table/links.h"
#include "engine/sweep/table/page_sections.h"
#include "engine/sweep/table/page_table.h"
#include "engine/sweep/table/table.h"
#include "engine/sweep/table/words.h"

namespace engine::page_sections {
namespace {

using namespace sweep_words;

std::string seed_cell(const SweepResults& results, const ConfigurationResult& result) {
  std::string text;
  for (const PointResult& point : result.points) {
    const SweepPoint& planned = results.sweep->points[point.point];
    const PointState state = state_of(point);
    const std::string link = has_report(state) ? report_link(planned.folder) : "";
    text += text.empty() ? "<span>" : ",</span> <span>";
    text += link.empty()
                ? std::to_string(planned.seed)
                : fmt::format("<a href=\"{}\"{}>{}</a>", escape_xml(link),
                              state == PointState::done
                                  ? fmt::format(" title=\"{}\"", share(point.record->test_accuracy))
                                  : "",
                              planned.seed);
    if (state != PointState::done) {
      text += fmt::format(" <span class=\"tag\">{}</span>", state_name(state));
    }
  }
  return "<td class=\"seeds\">" + text + (text.empty() ? "" : "</span>") + "</td>";
}

std::string difference_cells(const ConfigurationResult& result) {
  if (!result.difference) {
    return number_cell("baseline") + number_cell("") + number_cell("") + number_cell("");
  }
  const MeanInterval& mean = result.difference->difference;
  const int digits = digits_of(mean);
  return number_cell(points(mean.mean, digits, true)) +
         number_cell(points_interval(mean, digits, true)) +
         number_cell(p_value(result.difference->p)) + number_cell(p_value(result.corrected_p));
}

std::string row(const SweepResults& results, size_t index, bool best, bool compared) {
  const ConfigurationResult& result = results.configurations[index];
  const std::string done = result.done == result.points.size()
                               ? std::to_string(result.done)
                               : fmt::format("{} of {}", result.done, result.points.size());
  return fmt::format("<tr{}><th scope=\"row\">{}{}</th>", best ? " class=\"best\"" : "",
                     name(results.sweep->configurations[index].name),
                     best ? " <span class=\"tag\">highest mean</span>" : "") +
         number_cell(done) + number_cell(points(result.accuracy.mean, 2)) +
         number_cell(points(result.accuracy.deviation, 2)) +
         number_cell(points_interval(result.accuracy, 2)) +
         (compared ? difference_cells(result) : "") + seed_cell(results, result) + "</tr>\n";
}

}  // namespace

std::string configurations(const SweepResults& results) {
  const bool compared = results.configurations.size() > 1;
  std::vector<std::string_view> columns{"configuration", "seeds", "mean, %", "sd, points",
                                        "95 % interval"};
  if (compared) {
    columns.insert(columns.end(), {"difference, points", "95 % interval", "p", "corrected p"});
  }
  columns.emplace_back("reports of seeds");
  const std::string kinds = "t" + std::string(columns.size() - 2, 'n') + "t";
  const std::optional<size_t> best = best_configuration(results);
  std::string rows;
  for (const size_t index : listed(results)) {
    rows += row(results, index, compared && best == index, compared);
  }
  std::string out = "<section id=\"configurations\">\n<h2>Configurations</h2>\n<p class=\"note\">";
  out += "Mean test accuracy over seeds, its standard deviation (sd) and 95 % interval";
  if (compared) {
    out += ", and the difference to " + name(results.sweep->configurations[results.baseline].name) +
           ", paired by seed";
  }
  out += ".";
  if (results.configurations.size() > kMany) out += " The highest mean is first.";
  out += "</p>\n" + table("Configurations with mean test accuracy and difference to the baseline",
                          kinds, columns, rows, results.configurations.size() > 20);
  if (const std::string figure = accuracy_figure(results); !figure.empty()) {
    std::string caption =
        "Test accuracy: the mean with its 95 % interval (orange), each seed below it (blue). "
        "Intervals far "
        "longer than the seeds are apart are cut, without an end.";
    if (compared) caption += " The dashed line is the baseline's mean.";
    if (results.configurations.size() > sweep_figures::kMostRows) {
      caption +=
          fmt::format(" The {} configurations of the highest means.", sweep_figures::kMostRows);
    }
    out += page_figure(figure, caption, true);
  }
  return out + "</section>\n";
}

}  // namespace engine::page_sections
