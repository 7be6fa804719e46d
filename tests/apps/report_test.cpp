// report.html as `engine run` leaves it, in whatever way the run ends.

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "engine/core/file.h"
#include "tests/apps/small_experiment.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

class Report : public testing::Test {
 protected:
  ProcessResult run(const Json& experiment, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{
        "run", write_experiment(folder_, "small", experiment), "--out", out_, "--device", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_engine(arguments);
  }
  std::string page() const { return read_text(out_ + "/report.html"); }
  Json document() const { return document_of(page()); }
  /// The document that a page is made of.
  static Json document_of(const std::string& text) {
    const std::string open = "id=\"data\">";
    const size_t begin = text.find(open) + open.size();
    return Json::parse(text.substr(begin, text.find("</script>", begin) - begin));
  }

  TemporaryFolder folder_;
  std::string out_ = folder_ / "run";
};

TEST_F(Report, OfAFinishedRunSaysWhatItsFilesSay) {
  ASSERT_EXIT_CODE(run(small_experiment()), 0);
  const Json report = document();
  const Json results = Json::parse(read_text(out_ + "/results.json"));
  EXPECT_EQ(report["state"], "finished");
  EXPECT_EQ(report["exit_code"], 0);
  EXPECT_EQ(report["epochs_done"], 2);
  EXPECT_EQ(report["test"]["accuracy"], results["test"]["accuracy"]);
  EXPECT_LT(report["test"]["low"], report["test"]["accuracy"]);
  EXPECT_GT(report["test"]["high"], report["test"]["accuracy"]);
  EXPECT_EQ(report["confusion"], results["confusion_matrix"]);
  EXPECT_EQ(report["per_class"], results["per_class"]);
  EXPECT_EQ(report["classes"], results["classes"]);
  EXPECT_EQ(report["metrics"]["train_loss"].size(), 2u);
  EXPECT_EQ(report["counts"].size(), 3u);
  int64_t images = 0;
  for (const int64_t count : report["counts"][2]["counts"]) images += count;
  EXPECT_EQ(images, results["test"]["samples"]);
  int64_t binned = 0;
  for (const Json& bin : report["calibration"]["bins"]) binned += bin["count"].get<int64_t>();
  EXPECT_EQ(binned, results["test"]["samples"]);
  EXPECT_FALSE(report["mistakes"].empty());
  for (const Json& mistake : report["mistakes"]) EXPECT_NE(mistake["label"], mistake["prediction"]);
  EXPECT_EQ(report["network"]["nodes"].size(), 4u) << "as the file has them, without the loss";
  EXPECT_GT(report["node_times"].size(), 3u);
  EXPECT_EQ(report["command"].get<std::string>().substr(0, 11), "engine run ");
  EXPECT_LT(page().size(), 1500000u);
}

TEST_F(Report, ShowsImagesAfterEachStage) {
  Json experiment = small_experiment();
  experiment["preprocess"].push_back(
      {{"op", "smooth"}, {"sigma", 1}, {"axes", {"sample", "height"}}});
  experiment["preprocess"].push_back({{"op", "normalize"}});
  ASSERT_EXIT_CODE(run(experiment), 0);
  const Json stages = document()["stages"];
  ASSERT_EQ(stages.size(), 5u);
  const char* ops[] = {"", "grayscale", "noise", "smooth", "normalize"};
  for (size_t i = 0; i < stages.size(); ++i) {
    EXPECT_EQ(stages[i]["op"], ops[i]);
    EXPECT_EQ(stages[i]["images"].size(), 6u);
    EXPECT_EQ(stages[i]["shape"], (Json{16, 16, i == 0 ? 3 : 1}));
    EXPECT_TRUE(stages[i]["images"][0].get<std::string>().starts_with("data:image/png;base64,"));
  }
  EXPECT_GE(stages[1]["low"], 0);
  EXPECT_LT(stages[2]["low"], stages[1]["low"]) << "noise goes beyond";
  EXPECT_LT(stages[3]["deviation"], stages[2]["deviation"]) << "smoothing takes it back";
}

TEST_F(Report, OfADivergedRunSaysWhy) {
  Json experiment = small_experiment();
  // Every step multiplies the weights by -1e9.
  experiment["train"]["optimizer"] = {
      {"type", "sgd"}, {"learning_rate", 1e6}, {"weight_decay", 1000}};
  ASSERT_EXIT_CODE(run(experiment), 6);
  const Json report = document();
  EXPECT_EQ(report["state"], "failed");
  EXPECT_EQ(report["exit_code"], 6);
  EXPECT_NE(report["reason"].get<std::string>().find("diverged"), std::string::npos);
  EXPECT_TRUE(report["test"].is_null());
  EXPECT_TRUE(report["confusion"].is_null());
  EXPECT_EQ(report["stages"].size(), 3u);
}

/// A folder stands where the report should go.
TEST_F(Report, ThatCannotBeWrittenIsAWarning) {
  ASSERT_EXIT_CODE(run(small_experiment()), 0);
  std::filesystem::remove(out_ + "/report.html");
  std::filesystem::create_directories(out_ + "/report.html/in_the_way");
  const ProcessResult result = run(small_experiment(), {"--resume", "--epochs", "3"});
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_NE(result.err.find("report.html"), std::string::npos) << result.err;
  EXPECT_EQ(Json::parse(read_text(out_ + "/results.json"))["epochs"], 3);
}

TEST_F(Report, QuotesTheCommandForAShell) {
  ASSERT_EXIT_CODE(run(small_experiment(), {"--set", "description=it's $HOME", "--overwrite"}), 0);
  const std::string command = document()["command"];
  EXPECT_NE(command.find("--set 'description=it'\\''s $HOME'"), std::string::npos) << command;
  EXPECT_EQ(command.find("--overwrite"), std::string::npos);
}

TEST_F(Report, ComparesRunsAndIsMadeAnew) {
  ASSERT_EXIT_CODE(run(small_experiment()), 0);
  const std::string first = out_, before = page();
  out_ = folder_ / "other";
  ASSERT_EXIT_CODE(run(small_experiment(), {"--seed", "9"}), 0);
  const std::string compared = folder_ / "both.html";
  const ProcessResult both = run_engine({"report", first, out_, "--out", compared});
  ASSERT_EXIT_CODE(both, 0);
  EXPECT_EQ(both.out, compared + "\n");
  const Json comparison = document_of(read_text(compared));
  EXPECT_EQ(comparison["kind"], "comparison");
  ASSERT_EQ(comparison["runs"].size(), 2u);
  EXPECT_EQ(comparison["runs"][1]["seed"], 9);
  EXPECT_EQ(comparison["runs"][1]["name"], out_) << "both are called small";
  EXPECT_EQ(comparison["runs"][1]["test"], document()["test"]);
  EXPECT_TRUE(comparison["runs"][0]["stages"].is_null());
  for (const Json& run : comparison["runs"]) {
    const std::string link = run["report"];
    EXPECT_TRUE(exists(std::filesystem::path(compared).parent_path() / link)) << link;
  }
  EXPECT_LT(read_text(compared).size(), before.size());

  ASSERT_EXIT_CODE(run_engine({"report", first}), 0);
  EXPECT_EQ(read_text(first + "/report.html"), before) << "the same version gives the same page";

  std::ofstream(first + "/report.html") << "<html>";
  const ProcessResult foreign = run_engine({"report", first, out_});
  EXPECT_EXIT_CODE(foreign, 4);
  EXPECT_NE(foreign.err.find("not a report of the engine"), std::string::npos) << foreign.err;
  std::filesystem::remove(first + "/report.html");
  EXPECT_EXIT_CODE(run_engine({"report", first, out_}), 4);
  EXPECT_EXIT_CODE(run_engine({"report", folder_ / "nowhere", out_}), 4);
}

TEST_F(Report, LsListsRunsAlsoDamagedOnes) {
  ASSERT_EXIT_CODE(run(small_experiment()), 0);
  std::filesystem::create_directories(folder_ / "broken");
  std::ofstream(folder_ / "broken/status.json") << "{";
  const ProcessResult text = run_engine({"ls", folder_.path()});
  ASSERT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("finished"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("2/2"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("broken"), std::string::npos) << text.out;
  std::istringstream lines(text.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  const Json json = Json::parse(run_engine({"ls", folder_.path(), "--json"}).out);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[1]["status"]["state"], "finished");
  EXPECT_EQ(json[1]["test"], Json::parse(read_text(out_ + "/results.json"))["test"]);
  EXPECT_EXIT_CODE(run_engine({"ls", folder_ / "nowhere"}), 4);
}

}  // namespace
}  // namespace engine::test
