// engine ls: the runs in a folder.

#include <algorithm>
#include <filesystem>

#include "apps/options.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/json.h"
#include "engine/run/run_folder.h"

namespace engine {
namespace {

namespace fs = std::filesystem;

struct LsArguments {
  SharedOptions shared;
  std::string folder = "runs";
};

struct ListedRun {
  std::string folder;
  Value status, results;  ///< null: not there, or not readable
};

/// A file that is missing or damaged hides neither its run nor the others.
Value read_document(const fs::path& path) {
  try {
    return parse_json_or_throw(read_text(path), path, ExitCode::data);
  } catch (const Error&) {
    return {};
  }
}

std::vector<ListedRun> find_runs(const std::string& folder) {
  if (!is_folder(folder)) {
    fail(ExitCode::data, "{}: not found; expected a folder of run folders", folder);
  }
  std::vector<ListedRun> runs;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path status = entry.path() / run_files::kStatus;
    if (!exists(status)) continue;
    runs.push_back(
        {entry.path(), read_document(status), read_document(entry.path() / run_files::kResults)});
  }
  std::sort(runs.begin(), runs.end(),
            [](const ListedRun& a, const ListedRun& b) { return a.folder < b.folder; });
  return runs;
}

Value member(const Value& document, std::string_view key) {
  const Value* found = document.find(key);
  return found ? *found : Value();
}

std::string text_of(const Value& value) {
  return value.is(Value::Kind::string) ? value.string() : "?";
}

std::string count_of(const Value& value) {
  return value.is(Value::Kind::integer) ? with_commas(value.integer()) : "?";
}

void print_table(const std::vector<ListedRun>& runs) {
  Table table({{"run", Table::Align::left, true},
               {"state"},
               {"epochs", Table::Align::right},
               {"best", Table::Align::right},
               {"test accuracy", Table::Align::right},
               {"updated"}});
  for (const ListedRun& run : runs) {
    const Value accuracy = member(member(run.results, "test"), "accuracy");
    const Value best = member(run.results, "best_epoch");
    table.add({fs::path(run.folder).filename(), text_of(member(run.status, "state")),
               count_of(member(run.status, "epoch")) + "/" + count_of(member(run.status, "epochs")),
               best.is(Value::Kind::integer) ? with_commas(best.integer()) : "",
               accuracy.is_number() ? fmt::format("{:.2f} %", 100 * accuracy.number()) : "",
               text_of(member(run.status, "updated"))});
  }
  fmt::print("{}", table.text());
}

void print_json(const std::vector<ListedRun>& runs) {
  Array all;
  for (const ListedRun& run : runs) {
    Value row{Object{}};
    row.set("run", run.folder);
    row.set("status", run.status);
    row.set("test", member(run.results, "test"));
    row.set("best_epoch", member(run.results, "best_epoch"));
    all.push_back(std::move(row));
  }
  fmt::print("{}\n", to_json(Value(std::move(all))));
}

int ls(const LsArguments& arguments) {
  const std::vector<ListedRun> runs = find_runs(arguments.folder);
  if (arguments.shared.json) {
    print_json(runs);
  } else if (runs.empty()) {
    fmt::print("{}: no runs\n", arguments.folder);
  } else {
    print_table(runs);
  }
  return 0;
}

}  // namespace

Action declare_ls(Arguments& arguments) {
  auto options = std::make_shared<LsArguments>();
  arguments.text("FOLDER", options->folder, {.doc = "Folder of run folders (default: runs)"});
  add_json(arguments, options->shared);
  return [options] { return ls(*options); };
}

}  // namespace engine
