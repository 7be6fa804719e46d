// --json: standard output is one JSON document, whatever is said on standard error.

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

TEST(JsonResults, OfEveryVerb) {
  const TemporaryFolder folder;
  write_experiment(folder, "small", small_experiment());
  const auto json = [&](std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const ProcessResult result = run_engine(arguments, {.folder = folder.path()});
    EXPECT_EXIT_CODE(result, 0) << arguments[0];
    Json value = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << arguments[0] << " printed " << result.out;
    return value;
  };
  EXPECT_EQ(json({"new", "mine"})["file"], "mine.json");

  const Json run = json({"run", "small.json", "--threads", "1"});
  EXPECT_EQ(run["folder"], "runs/small");
  EXPECT_EQ(run["finished"], true);
  EXPECT_EQ(run["epochs"], 2);
  EXPECT_EQ(run["report"], "runs/small/report.html");
  EXPECT_GT(run["seconds"], 0);
  const Json evaluated = json({"evaluate", "runs/small", "--threads", "1"});
  EXPECT_EQ(evaluated["accuracy"], run["test_accuracy"]);
  EXPECT_EQ(evaluated["loss"], run["test_loss"]);

  EXPECT_EQ(json({"data", "make", "shapes", "--out", "images", "--count", "10"})["train"], 10);
  EXPECT_EQ(json({"predict", "runs/small", "images/test", "--threads", "1"}).size(), 2u);
  EXPECT_EQ(json({"report", "runs/small", "runs/small"})["files"], Json({"comparison.html"}));
  EXPECT_EQ(json({"preprocess", "small.json", "--split", "test", "--out", "x.npy"})["shape"],
            Json({40, 16, 16, 1}));
  EXPECT_EQ(json({"forward", "small.json", "--weights", "runs/small", "--input", "x.npy", "--out",
                  "y.npy"})["shape"],
            Json({40, 10}));
  for (const std::vector<std::string>& rest : std::vector<std::vector<std::string>>{
           {"check", "small.json"},
           {"summary", "small.json"},
           {"config", "small.json"},
           {"ls"},
           {"data", "stats", "shapes"},
           {"devices"},
           {"bench", "small.json", "--seconds", "0.05", "--windows", "1", "--threads", "1"},
           {"profile", "small.json", "--seconds", "0.05", "--threads", "1"}}) {
    EXPECT_FALSE(json(rest).empty()) << rest[0];
  }
}

}  // namespace
}  // namespace engine::test
