// The key "log": what a run leaves beside its weights and figures, and what --overwrite takes away.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "engine/core/file.h"
#include "tests/apps/small_experiment.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;
using Names = std::set<std::string>;

const Names kPictures{"class_counts.svg", "confusion_matrix.svg", "curves.svg",
                      "predictions.svg",  "reliability.svg",      "stages.svg"};
const Names kTables{"confusion_matrix.csv", "per_class.csv", "predictions.csv"};

class Log : public testing::Test {
 protected:
  ProcessResult run(const Json& experiment, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"run",       write_experiment(folder_, "small", experiment),
                                       "--out",     out_,
                                       "--device",  "cpu",
                                       "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_engine(arguments);
  }
  Names files(const std::string& inside = "") const {
    Names names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(out_ + "/" + inside, none)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  static Json diverging() {
    Json experiment = small_experiment();
    experiment["train"]["optimizer"] = {
        {"type", "sgd"}, {"learning_rate", 1e6}, {"weight_decay", 1000}};
    return experiment;
  }

  TemporaryFolder folder_;
  std::string out_ = folder_ / "run";
};

TEST_F(Log, PicturesAndTablesComeWithTheReport) {
  ASSERT_EXIT_CODE(run(small_experiment()), 0);
  EXPECT_EQ(files("pictures"), kPictures);
  EXPECT_EQ(files("tables"), kTables);
  EXPECT_FALSE(files().contains("tensorboard"));
  // The table of predictions adds up to the matrix.
  const Json results = Json::parse(read_text(out_ + "/results.json"));
  const std::vector<std::string> classes = results["classes"];
  std::vector<std::vector<int64_t>> matrix(classes.size(), std::vector<int64_t>(classes.size()));
  std::istringstream table(read_text(out_ + "/tables/predictions.csv"));
  std::string line, row, label, said, confidence;
  std::getline(table, line);
  EXPECT_EQ(line, "row,label,prediction,confidence");
  const auto index = [&](const std::string& name) {
    return static_cast<size_t>(std::find(classes.begin(), classes.end(), name) - classes.begin());
  };
  for (int count = 0; std::getline(table, line); ++count) {
    std::istringstream cells(line);
    std::getline(cells, row, ',') && std::getline(cells, label, ',') &&
        std::getline(cells, said, ',') && std::getline(cells, confidence);
    EXPECT_EQ(row, std::to_string(count));
    ASSERT_LT(index(label), classes.size()) << line;
    ASSERT_LT(index(said), classes.size()) << line;
    ++matrix[index(label)][index(said)];
    EXPECT_GE(std::stod(confidence), 0.1) << "of ten classes the largest";
    EXPECT_LE(std::stod(confidence), 1);
  }
  EXPECT_EQ(Json(matrix), results["confusion_matrix"]);
  // Made anew they are the same.
  const std::string before = read_text(out_ + "/pictures/confusion_matrix.svg");
  std::filesystem::remove_all(out_ + "/pictures");
  const ProcessResult again = run_engine({"report", out_});
  ASSERT_EXIT_CODE(again, 0);
  EXPECT_EQ(again.out, out_ + "/report.html\n" + out_ + "/pictures\n" + out_ + "/tables\n");
  EXPECT_EQ(files("pictures"), kPictures);
  EXPECT_EQ(files("tables"), kTables);
  EXPECT_EQ(read_text(out_ + "/pictures/confusion_matrix.svg"), before);
}

TEST_F(Log, OfADivergedRunHasWhatThereIs) {
  ASSERT_EXIT_CODE(run(small_experiment()), 0);
  ASSERT_EXIT_CODE(run(diverging(), {"--overwrite"}), 6);
  EXPECT_EQ(files("pictures"), (Names{"class_counts.svg", "stages.svg"})) << "no epoch, no test";
  EXPECT_TRUE(files("tables").empty());
}

/// A test of earlier epochs does not stand beside the curves of later ones.
TEST_F(Log, NothingIsLeftOfAnEarlierEnd) {
  Json experiment = small_experiment();
  experiment["train"]["optimizer"] = {{"type", "sgd"}};
  ASSERT_EXIT_CODE(run(experiment), 0);
  ASSERT_EQ(files("tables"), kTables);
  ASSERT_EXIT_CODE(run(diverging(), {"--resume", "--epochs", "9"}), 6);
  EXPECT_EQ(files("pictures"), (Names{"class_counts.svg", "curves.svg", "stages.svg"}));
  EXPECT_TRUE(files("tables").empty());
}

TEST_F(Log, CanBeSwitchedOff) {
  const ProcessResult result = run(small_experiment(), {"--set", "log.report=false"});
  ASSERT_EXIT_CODE(result, 0);
  EXPECT_EQ(result.out.find("report"), std::string::npos) << result.out;
  for (const char* name : {"report.html", "pictures", "tables", "tensorboard"}) {
    EXPECT_FALSE(files().contains(name)) << name;
  }
  EXPECT_TRUE(files().contains("results.json"));
  // A resume may change it.
  const ProcessResult on = run(small_experiment(), {"--resume", "--set", "log.tensorboard=true"});
  ASSERT_EXIT_CODE(on, 0);
  EXPECT_NE(on.err.find("log.report: false -> true: identical"), std::string::npos) << on.err;
  EXPECT_NE(on.out.find("tensorboard    " + out_ + "/tensorboard\n"), std::string::npos) << on.out;
  EXPECT_EQ(files("pictures"), kPictures);
  EXPECT_EQ(files("tensorboard").size(), 1u);
}

TEST_F(Log, OverwriteTakesAwayWhatRunsMakeAndNothingElse) {
  ASSERT_EXIT_CODE(run(small_experiment(), {"--set", "log.tensorboard=true"}), 0);
  const std::string mine[] = {"pictures/mine.svg", "tables/mine.csv",
                              "tensorboard/events.out.tfevents.1234567890.host"};
  for (const std::string& name : mine) std::ofstream(out_ + "/" + name) << "mine";
  ASSERT_EXIT_CODE(run(diverging(), {"--overwrite", "--set", "log.report=false"}), 6);
  EXPECT_EQ(files("pictures"), Names{"mine.svg"});
  EXPECT_EQ(files("tables"), Names{"mine.csv"});
  EXPECT_EQ(files("tensorboard"), Names{"events.out.tfevents.1234567890.host"});
  EXPECT_FALSE(files().contains("report.html"));
  for (const std::string& name : mine) std::filesystem::remove(out_ + "/" + name);
  ASSERT_EXIT_CODE(run(diverging(), {"--overwrite", "--set", "log.report=false"}), 6);
  EXPECT_FALSE(files().contains("pictures")) << "an empty folder goes, too";
  EXPECT_FALSE(files().contains("tensorboard"));
}

TEST_F(Log, WhatStandsInTheWayIsAWarning) {
  std::filesystem::create_directories(out_);
  ASSERT_EXIT_CODE(run(small_experiment(), {"--set", "log.report=false"}), 0);
  std::ofstream(out_ + "/pictures") << "mine";
  std::ofstream(out_ + "/tensorboard") << "mine";
  const ProcessResult result =
      run(small_experiment(), {"--overwrite", "--set", "log.tensorboard=true"});
  ASSERT_EXIT_CODE(result, 0);
  EXPECT_NE(result.err.find("/pictures"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("/tensorboard"), std::string::npos) << result.err;
  EXPECT_EQ(read_text(out_ + "/pictures"), "mine");
  EXPECT_EQ(read_text(out_ + "/tensorboard"), "mine");
  EXPECT_TRUE(files().contains("report.html"));
}

}  // namespace
}  // namespace engine::test
