// engine report: what a run or a sweep shows made anew, or one page that compares runs.

#include <filesystem>

#include "apps/console.h"
#include "apps/options.h"
#include "apps/sweep_session.h"
#include "apps/sweep_tables.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/value.h"
#include "engine/report/figures.h"
#include "engine/report/page.h"
#include "engine/report/saved_report.h"
#include "engine/report/tables.h"
#include "engine/run/run_folder.h"

namespace engine {
namespace {

struct ReportArguments {
  SharedOptions shared;
  std::vector<std::string> runs;
  std::string out;
};

/// Of a sweep's folder: its tables, from the sweep file that it was made of.
int report_sweep(const ReportArguments& arguments) {
  const std::string& folder = arguments.runs[0];
  const SweepStore store(real_files(), folder);
  SweepStore::Made made = store.made_of();
  SweepArguments sweep{.shared = arguments.shared, .out = folder};
  sweep.shared.file = made.file;
  sweep.shared.set = std::move(made.set);
  const SweepSession session = open_sweep(sweep);
  print_files(save_sweep_tables(session, store, session.sweep.baseline).files,
              arguments.shared.json);
  return 0;
}

int report(const ReportArguments& arguments) {
  if (arguments.runs.size() == 1 &&
      exists(fmt::format("{}/{}", arguments.runs[0], sweep_files::kSweep)))
    return report_sweep(arguments);
  std::vector<Value> reports;
  for (const std::string& run : arguments.runs) reports.push_back(read_report(run));
  const bool one = reports.size() == 1;
  const std::string in_run = arguments.runs[0] + "/" + std::string(run_files::kReport);
  const std::string out = !arguments.out.empty() ? arguments.out : one ? in_run : "comparison.html";
  const Value document = one ? std::move(reports[0])
                             : comparison(std::move(reports), arguments.runs,
                                          std::filesystem::path(out).parent_path());
  save_file(real_files(), out, report_page(document), {.durable = false});
  std::vector<std::string> written{out};
  if (one && arguments.out.empty()) {
    // What else the run folder shows of the same document.
    const std::string& folder = arguments.runs[0];
    save_figures(real_files(), folder, document);
    save_tables(real_files(), folder, document);
    for (const auto name : {run_files::kPictures, run_files::kTables}) {
      if (std::string inside = fmt::format("{}/{}", folder, name); is_folder(inside))
        written.push_back(std::move(inside));
    }
  }
  print_files(written, arguments.shared.json);
  return 0;
}

}  // namespace

Action declare_report(Arguments& arguments) {
  auto options = std::make_shared<ReportArguments>();
  arguments.list("RUN", options->runs,
                 {.doc = "Run folders, or the folder of a sweep", .required = true});
  arguments.text("--out", options->out,
                 {.doc = "HTML file to write (default: comparison.html; of one run its own)",
                  .placeholder = "FILE"});
  add_json(arguments, options->shared);
  arguments.footer(
      "One run: its report in this version's form and, without --out, its pictures and tables. "
      "Several: their curves over each other, and what differs in their experiments and results. "
      "A sweep: its tables, from the sweep file that it was made of.");
  return [options] { return report(*options); };
}

}  // namespace engine
