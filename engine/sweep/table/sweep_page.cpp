// The page of a sweep: one file without scripts that fetches nothing.

#include <fmt/format.h>

#include "engine/report/embedded_file.h"
#include "engine/report/svg.h"
#include "engine/sweep/table/page_sections.h"
#include "engine/sweep/table/table.h"
#include "engine/sweep/table/words.h"

EMBEDDED_FILE(sweep_style, SWEEP_STYLE)

namespace engine {
namespace {

constexpr size_t kSentences = 12;

std::string_view style() {
  return {engine_sweep_style, engine_sweep_style_end};
}

/// Where a page may take anything from: its own style element, nowhere else.
constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action "
    "'none'";

std::string answers(const SweepResults& results) {
  std::string out;
  const auto add = [&](std::string_view kind, const std::string& sentence) {
    out += fmt::format("<li{}>{}</li>\n", kind.empty() ? "" : fmt::format(" class=\"{}\"", kind),
                       page_sections::name(sentence));
  };
  for (const auto& [kind, sentence] : sweep_words::comparisons(results, kSentences)) {
    add(kind, sentence);
  }
  if (const std::string best = sweep_words::best(results); !best.empty()) add("", best);
  if (out.empty()) add("", "No point is done yet: there is nothing to compare.");
  if (const std::string baseline = sweep_words::baseline(results); !baseline.empty()) {
    add("", baseline);
  }
  return "<ul class=\"answers\">\n" + out + "</ul>\n";
}

std::string status(const SweepResults& results) {
  const bool busy = results.running + results.waiting > 0;
  const std::string_view kind = busy ? "running" : results.failed ? "failed" : "finished";
  const std::string_view word = busy             ? (results.running ? "running" : "unfinished")
                                : results.failed ? "failures"
                                                 : "finished";
  return fmt::format("<p class=\"status\"><span class=\"badge {}\">{}</span> <span>{}</span></p>\n",
                     kind, word, escape_xml(sweep_words::state(results)));
}

std::string head(const SweepResults& results) {
  const SweepFile& file = results.sweep->file;
  const std::string title = escape_xml(file.name.empty() ? "Sweep" : file.name);
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>\n{}</style>\n"
      "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n"
      "<header class=\"head\">\n<p class=\"kicker\">Sweep: {} of {}</p>\n<h1><bdi>{}</bdi></h1>\n",
      kPolicy, title, style(), sweep_words::counted(results.sweep->points.size(), "run"),
      sweep_words::counted(results.configurations.size(), "configuration"), title);
  if (!file.description.empty()) {
    out += "<p class=\"lead\">" + page_sections::name(file.description) + "</p>\n";
  }
  return out + answers(results) + status(results) + "</header>\n";
}

}  // namespace

std::string sweep_page(const SweepResults& results) {
  std::string out = head(results) + "<main id=\"main\" tabindex=\"-1\">\n";
  if (!results.configurations.empty()) out += page_sections::configurations(results);
  out += page_sections::factors(results) + page_sections::matrix(results) +
         page_sections::failures(results) + page_sections::method(results);
  const std::string path = results.sweep->file.path;
  return out + "</main>\n<footer class=\"foot\"><p>" +
         (path.empty() ? "" : "From <code>" + page_sections::name(path) + "</code>. ") +
         "Links lead to the runs' own reports beside this page.</p></footer>\n</body>\n</html>\n";
}

}  // namespace engine
