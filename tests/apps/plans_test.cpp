// Every convolution of every shipped experiment has a plan on GPUs that are not here, and
// docs/results/plans.md says what is slow about it. Needs the CUDA library and cuDNN, no GPU.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Combination {
  std::string experiment, target, precision;
  int batch;
};

ProcessResult check(const Combination& what) {
  const fs::path file = source_dir() / "experiments" / (what.experiment + ".json");
  return run_engine({"check", file, "--target", what.target, "--json", "--set",
                     "precision=" + what.precision, "--set",
                     "train.batch_size=" + std::to_string(what.batch)});
}

/// Why no plans can be made here; empty when they can.
std::string why_not() {
  const ProcessResult result = check({"gray", "h100", "fp32", 32});
  const bool missing = result.code == 8 && result.err.find("node \"") == std::string::npos;
  return missing ? result.err : "";
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream parts(line.substr(1));
  for (std::string cell; std::getline(parts, cell, '|');) {
    const size_t first = cell.find_first_not_of(' ');
    cells.push_back(first == std::string::npos
                        ? ""
                        : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
  }
  return cells;
}

std::vector<std::string> names_of(const std::string& heading) {
  std::vector<std::string> names;
  std::istringstream parts(heading.substr(heading.find(' ') + 1));
  for (std::string name; std::getline(parts, name, ',');) {
    names.push_back(name.substr(name.find_first_not_of(' ')));
  }
  return names;
}

/// The cells of docs/results/plans.md by "experiment/precision on target/batch/node/pass".
struct CommittedTable {
  std::map<std::string, std::string> cells;
  std::string text;

  CommittedTable() {
    std::ifstream file(source_dir() / "docs/results/plans.md");
    std::vector<std::string> experiments, targets, columns;
    for (std::string line; std::getline(file, line); text += line + '\n') {
      if (line.starts_with("## ")) experiments = names_of(line);
      if (line.starts_with("### ")) targets = names_of(line);
      if (line.starts_with("| node")) columns = cells_of(line);
      if (!line.starts_with("| ") || line.starts_with("| node")) continue;
      const std::vector<std::string> row = cells_of(line);
      for (size_t i = 2; i < row.size() && i < columns.size(); ++i) {
        for (const auto& experiment : experiments) {
          for (const auto& target : targets) {
            cells[experiment + "/" + target + "/" + columns[i] + "/" + row[0] + "/" + row[1]] =
                row[i];
          }
        }
      }
    }
  }
};

/// Compares one combination with the table. Returns the number of plans.
int compare(const Combination& what, const CommittedTable& table) {
  const ProcessResult result = check(what);
  const std::string name =
      what.experiment + " " + what.target + " " + what.precision + " " + std::to_string(what.batch);
  EXPECT_EQ(result.code, 0) << name << "\n" << result.err;
  if (result.code != 0) return 0;
  const Json checked = Json::parse(result.out).at(0);
  const std::string libraries = checked["libraries"];
  // Another cuDNN may choose other engines.
  const bool same_library =
      table.text.find(libraries.substr(libraries.rfind("cuDNN"))) != std::string::npos;
  int plans = 0;
  for (const Json& pass : checked["passes"]) {
    if (pass["program"] != "training" || !pass.contains("engine")) continue;
    ++plans;
    const std::string key = what.experiment + "/" + what.precision + " on " + what.target +
                            "/batch " + std::to_string(what.batch) + "/" +
                            std::string(pass["node"]) + "/" + std::string(pass["pass"]);
    const auto cell = table.cells.find(key);
    EXPECT_NE(cell, table.cells.end()) << key;
    if (cell == table.cells.end() || !same_library) continue;
    const std::string engine = pass["engine"], note = pass["note"];
    EXPECT_EQ(cell->second.substr(0, cell->second.find(',')), engine.substr(0, engine.find('_')))
        << key;
    const size_t repacks = cell->second.find("repacks");
    EXPECT_EQ(repacks == std::string::npos ? "" : cell->second.substr(repacks), note) << key;
  }
  return plans;
}

/// Experiments that can be trained.
std::vector<std::string> experiments() {
  return {"gray", "noise", "quickstart", "residual", "smooth", "smooth_all_axes"};
}

TEST(Plans, CoverEveryShippedExperiment) {
  for (const auto& entry : fs::directory_iterator(source_dir() / "experiments")) {
    const std::string name = entry.path().stem();
    if (entry.path().extension() != ".json" || name == "inception_block") continue;
    const std::vector<std::string> known = experiments();
    EXPECT_NE(std::find(known.begin(), known.end(), name), known.end()) << name;
  }
}

// Takes about the time that is printed for one, times a hundred; in short, the two networks that
// differ most.
TEST(Plans, ExistOnGpusThatAreNotHereAndAreAsTheTableSays) {
  if (const std::string reason = why_not(); !reason.empty()) GTEST_SKIP() << reason;
  const bool all = std::getenv("ENGINE_LONG_TESTS") != nullptr;
  const CommittedTable table;
  double longest = 0;
  int plans = 0;
  for (const std::string& experiment :
       all ? experiments() : std::vector<std::string>{"gray", "residual"}) {
    for (const char* target : {"h100", "h200"}) {
      for (const char* precision : {"fp32", "tf32", "bf16"}) {
        for (const int batch : {32, 50, 1000}) {
          const auto begin = std::chrono::steady_clock::now();
          plans += compare({experiment, target, precision, batch}, table);
          const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
          longest = std::max(longest, taken.count());
        }
      }
    }
  }
  EXPECT_GT(plans, 100);
  std::cout << plans << " plans; all of one experiment took " << longest << " s at most\n";
}

}  // namespace
}  // namespace engine::test
