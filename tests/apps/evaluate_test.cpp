// engine evaluate --with: a run's weights under the preprocessing of other files, against
// `preprocess`, `forward` and a loss that is computed here.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/core/npy.h"
#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

/// One small run, trained once for all tests here, and files beside it.
class EvaluateWith : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    write_experiment(*folder_, "small", small_experiment());
    ASSERT_EXIT_CODE(engine({"run", "small.json"}), 0);
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static ProcessResult engine(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--threads", "1", "--device", "cpu"});
    return run_engine(arguments, {.folder = folder_->path()});
  }

  /// The run's experiment with other stages, seed, data and network; only the stages may count.
  static std::string other(const std::string& name, const std::string& stages) {
    Json experiment = small_experiment();
    experiment["name"] = name;
    experiment["preprocess"] = Json::parse(stages);
    experiment["seed"] = 99;
    experiment["data"] = {{"source", "shapes"}, {"count", 50}, {"size", 32}};
    experiment["network"]["nodes"][0]["filters"] = 3;
    write_experiment(*folder_, name, experiment);
    return name + ".json";
  }

  static Json evaluate(const std::vector<std::string>& files, const std::string& split = "test") {
    std::vector<std::string> arguments{"evaluate", "runs/small", "--json", "--split", split};
    for (const std::string& file : files) arguments.insert(arguments.end(), {"--with", file});
    const ProcessResult result = engine(arguments);
    EXPECT_EXIT_CODE(result, 0);
    return Json::parse(result.out, nullptr, false);
  }

  /// Loss and accuracy of the test images: the labels are those of the run's own table, the logits
  /// are `forward`'s for what `preprocess` makes of the run's experiment with these stages.
  static std::pair<double, double> reference(const std::string& stages) {
    Json experiment = small_experiment();
    experiment["preprocess"] = Json::parse(stages);
    write_experiment(*folder_, "reference", experiment);
    EXPECT_EXIT_CODE(engine({"preprocess", "reference.json", "--split", "test", "--out", "x.npy"}),
                     0);
    EXPECT_EXIT_CODE(engine({"forward", "small.json", "--weights", "runs/small", "--input", "x.npy",
                             "--out", "y.npy"}),
                     0);
    const NamedTensor logits = read_npy(*folder_ / "y.npy");
    const std::vector<size_t> labels = read_labels();
    const size_t classes = static_cast<size_t>(logits.dims.at(1));
    EXPECT_EQ(logits.dims.at(0), static_cast<int64_t>(labels.size()));
    double loss = 0, right = 0;
    for (size_t row = 0; row < labels.size(); ++row) {
      const float* scores = logits.f32() + row * classes;
      double sum = 0;
      for (size_t i = 0; i < classes; ++i) sum += std::exp(double{scores[i]});
      loss += std::log(sum) - double{scores[labels[row]]};
      right += std::max_element(scores, scores + classes) - scores ==
               static_cast<std::ptrdiff_t>(labels[row]);
    }
    return {loss / static_cast<double>(labels.size()), right / static_cast<double>(labels.size())};
  }

  static TemporaryFolder* folder_;

 private:
  /// tables/predictions.csv names the classes, results.json says their order.
  static std::vector<size_t> read_labels() {
    std::ifstream file(*folder_ / "runs/small/results.json");
    const std::vector<std::string> classes = Json::parse(file)["classes"];
    std::ifstream table(*folder_ / "runs/small/tables/predictions.csv");
    std::vector<size_t> labels;
    std::string line;
    for (std::getline(table, line); std::getline(table, line);) {
      const size_t begin = line.find(',') + 1;
      const std::string name = line.substr(begin, line.find(',', begin) - begin);
      const auto found = std::find(classes.begin(), classes.end(), name);
      EXPECT_NE(found, classes.end()) << line;
      labels.push_back(static_cast<size_t>(found - classes.begin()));
    }
    EXPECT_EQ(labels.size(), 40u);
    return labels;
  }
};

TemporaryFolder* EvaluateWith::folder_ = nullptr;

TEST_F(EvaluateWith, ItsOwnConfigurationGivesItsOwnResult) {
  const Json result = evaluate({"runs/small/config.json", "small.json"});
  std::ifstream file(*folder_ / "runs/small/results.json");
  const Json test = Json::parse(file)["test"];
  EXPECT_EQ(result["loss"], test["loss"]);
  ASSERT_EQ(result["with"].size(), 2u);
  for (const Json& entry : result["with"]) {
    EXPECT_EQ(entry["name"], "small");
    EXPECT_EQ(entry["loss"], test["loss"]);
    EXPECT_EQ(entry["accuracy"], test["accuracy"]);
    EXPECT_FALSE(entry.contains("reason"));
  }
  EXPECT_EQ(result["with"][0]["file"], "runs/small/config.json");
  EXPECT_EQ(result["images"], 40);
  // Another split is another set of images.
  EXPECT_NE(evaluate({}, "validation")["loss"], test["loss"]);
  EXPECT_FALSE(evaluate({}).contains("with"));
}

TEST_F(EvaluateWith, OnlyTheStagesAreTheOtherFiles) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"plain", R"([{"op": "grayscale", "weights": "mean"}])"},
      {"noisier", R"([{"op": "grayscale"}, {"op": "noise", "sigma": 0.4, "when": "once"}])"},
      {"fresh", R"([{"op": "grayscale"}, {"op": "noise", "sigma": 0.3, "when": "every_epoch"}])"},
      {"measured", R"([{"op": "grayscale"}, {"op": "normalize"}])"},
      {"all", R"([{"op": "grayscale"}, {"op": "noise", "sigma": 0.2, "when": "once"},
                  {"op": "smooth", "sigma": 1}, {"op": "normalize"}])"},
      {"last", R"([{"op": "normalize"}, {"op": "grayscale"}, {"op": "smooth", "sigma": 0.7},
                   {"op": "noise", "sigma": 0.1, "when": "every_epoch"}])"},
      {"samples", R"([{"op": "grayscale"},
                      {"op": "smooth", "sigma": 1, "axes": ["sample", "height", "width"]},
                      {"op": "normalize"}])"},
      {"flipped", R"([{"op": "grayscale", "weights": [0, 1, 0]}, {"op": "random_flip"},
                      {"op": "random_crop"}])"},
  };
  std::vector<std::string> files;
  for (const auto& [name, stages] : cases) files.push_back(other(name, stages));
  const Json with = evaluate(files)["with"];
  ASSERT_EQ(with.size(), cases.size());
  std::set<double> losses;
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto [loss, accuracy] = reference(cases[i].second);
    EXPECT_EQ(with[i]["name"], cases[i].first);
    EXPECT_NEAR(with[i]["loss"].get<double>(), loss, 1e-5 * loss) << cases[i].first;
    EXPECT_DOUBLE_EQ(with[i]["accuracy"].get<double>(), accuracy) << cases[i].first;
    losses.insert(with[i]["loss"].get<double>());
  }
  // Each has its own effect, but flips and crops are for training only.
  EXPECT_EQ(losses.size(), cases.size());
  const double plain = evaluate(
      {other("bare", R"([{"op": "grayscale", "weights": [0, 1, 0]}])")})["with"][0]["loss"];
  EXPECT_EQ(with.back()["loss"], plain);
}

TEST_F(EvaluateWith, AFileThatDoesNotFit) {
  const std::string colours = other("colours", R"([{"op": "noise", "sigma": 0.1}])");
  const std::string gray = other("gray", R"([{"op": "grayscale", "weights": "mean"}])");
  const ProcessResult alone = engine({"evaluate", "runs/small", "--with", colours, "--json"});
  EXPECT_EXIT_CODE(alone, 3);
  EXPECT_EQ(alone.out, "");
  EXPECT_NE(alone.err.find("colours.json: does not fit the network of runs/small, which expects "
                           "images of 1 channel, gets 3"),
            std::string::npos)
      << alone.err;
  EXPECT_EXIT_CODE(engine({"evaluate", "runs/small", "--with", gray, "--with", colours}), 3);
  const Json with = evaluate({colours, gray})["with"];
  EXPECT_EQ(with[0]["reason"], "expects images of 1 channel, gets 3");
  EXPECT_FALSE(with[0].contains("loss") || with[0].contains("accuracy"));
  EXPECT_TRUE(with[1].contains("loss") && !with[1].contains("reason")) << with;

  // Files that are no experiments are errors in every case.
  EXPECT_EXIT_CODE(
      engine({"evaluate", "runs/small", "--json", "--with", gray, "--with", "absent.json"}), 3);
}

TEST_F(EvaluateWith, TheTableHasARowForEachFile) {
  std::filesystem::create_directories(*folder_ / std::string(90, 'd'));
  const std::string gray = other("gray", R"([{"op": "grayscale", "weights": "mean"}])");
  const std::string far = std::string(90, 'd') + "/" + gray;
  std::filesystem::copy_file(*folder_ / gray, *folder_ / far,
                             std::filesystem::copy_options::overwrite_existing);
  const ProcessResult result = engine({"evaluate", "runs/small", "--with", gray, "--with", far});
  EXPECT_EXIT_CODE(result, 0);
  std::istringstream lines(result.out);
  std::vector<std::string> table;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80u) << line;
    table.push_back(line);
  }
  ASSERT_EQ(table.size(), 8u) << result.out;
  EXPECT_EQ(table[0], "split     test (40 images)");
  EXPECT_TRUE(table[3].starts_with("preprocessing of")) << result.out;
  EXPECT_TRUE(table[5].starts_with("as trained ")) << result.out;
  EXPECT_TRUE(table[6].starts_with("gray.json ")) << result.out;
  EXPECT_EQ(table[6].find(" %"), table[5].find(" %"));
}

}  // namespace
}  // namespace engine::test
