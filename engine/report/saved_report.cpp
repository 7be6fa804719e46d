#include "engine/report/saved_report.h"

#include <cctype>
#include <cstring>
#include <filesystem>
#include <set>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/json.h"
#include "engine/run/run_documents.h"
#include "engine/run/run_folder.h"

namespace engine {
namespace {

/// The address of a run's report in a page that lies in a folder: each byte that means something in
/// an address, a colon above all, is escaped.
std::string link_to(const std::string& run, const std::string& place) {
  const auto from = std::filesystem::absolute(place.empty() ? "." : place).lexically_normal();
  const auto to = std::filesystem::absolute(run + "/" + std::string(run_files::kReport));
  std::string link;
  for (const char c : to.lexically_normal().lexically_relative(from).string()) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) || std::strchr("._~-/", c) != nullptr;
    link += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return link;
}

}  // namespace

Value read_report(const std::string& folder) {
  const std::string path = folder + "/" + std::string(run_files::kReport);
  if (!is_folder(folder) || !exists(folder + "/" + std::string(run_files::kConfig))) {
    fail(ExitCode::data, "{}: not a run folder: {} is missing", folder, run_files::kConfig);
  }
  if (!exists(path)) {
    fail(ExitCode::data, "{}: has no {}; engine run --resume --out {} writes it", folder,
         run_files::kReport, folder);
  }
  const std::string page = read_text(path);
  constexpr std::string_view kOpen = "<script type=\"application/json\" id=\"data\">";
  const size_t open = page.find(kOpen);
  const size_t begin = open == std::string::npos ? page.size() : open + kOpen.size();
  const size_t end = page.find("</script>", begin);
  if (end == std::string::npos) {
    fail(ExitCode::data, "{}: not a report of the engine: it holds no data", path);
  }
  Limits limits = kLimits;
  limits.file_bytes = page.size();  // pictures are long strings
  limits.string_bytes = page.size();
  limits.values = page.size();
  Value report = parse_json_or_throw(std::string_view(page).substr(begin, end - begin), path,
                                     ExitCode::data, limits);
  const Value* kind = report.find("kind");
  if (!kind || !kind->is(Value::Kind::string) || kind->string() != "run" || !report.find("name")) {
    fail(ExitCode::data, "{}: not a report of the engine: it is not of a run", path);
  }
  return report;
}

Value comparison(std::vector<Value> reports, const std::vector<std::string>& folders,
                 const std::string& place) {
  std::set<std::string> names;
  for (const Value& report : reports) names.insert(to_json(*report.find("name")));
  const bool distinct = names.size() == reports.size();
  for (size_t i = 0; i < reports.size(); ++i) {
    Value& report = reports[i];
    if (!distinct) report.set("name", folders[i]);
    report.set("report", link_to(folders[i], place));
    for (const char* key : {"counts", "confusion", "per_class", "calibration", "mistakes",
                            "predictions", "stages", "network", "node_times"}) {
      report.set(key, Value());
    }
  }
  Value document{Object{}};
  document.set("format", 1);
  document.set("kind", "comparison");
  document.set("updated", utc_now());
  document.set("runs", Array(std::move(reports)));
  return document;
}

}  // namespace engine
