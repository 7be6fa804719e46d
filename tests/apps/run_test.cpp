// run, evaluate and predict as a user calls them.

#include <gtest/gtest.h>
#include <jpeglib.h>

#include <fstream>
#include <regex>

#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json parse(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << text;
  return json;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_jpeg(const std::string& path, int size, uint8_t red, uint8_t green, uint8_t blue) {
  FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = jpeg.image_height = static_cast<JDIMENSION>(size);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<uint8_t> row;
  for (int i = 0; i < size; ++i) row.insert(row.end(), {red, green, blue});
  for (int i = 0; i < size; ++i) {
    JSAMPROW rows[] = {row.data()};
    jpeg_write_scanlines(&jpeg, rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::fclose(file);
}

/// A finished run that all tests of this file look at.
class FinishedRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    file_ = write_experiment(*folder_, "small", small_experiment());
    result_ = run_engine({"run", file_}, here());
  }
  static void TearDownTestSuite() { delete folder_; }
  static ProcessOptions here() { return {.folder = folder_->path()}; }

  static inline TemporaryFolder* folder_ = nullptr;
  static inline std::string file_;
  static inline ProcessResult result_;
};

TEST_F(FinishedRun, PrintsItsResultAndLeavesAFolder) {
  ASSERT_EXIT_CODE(result_, 0);
  EXPECT_TRUE(std::regex_search(result_.out, std::regex("test accuracy +[0-9.]+ %\n")))
      << result_.out;
  EXPECT_TRUE(std::regex_search(result_.out, std::regex("test loss +[0-9.]+\n"))) << result_.out;
  EXPECT_TRUE(std::regex_search(result_.out, std::regex("best epoch +[12] of 2"))) << result_.out;
  EXPECT_TRUE(std::regex_search(result_.out, std::regex("time +"))) << result_.out;
  EXPECT_TRUE(std::regex_search(result_.out, std::regex("run folder +.*runs/small\n")))
      << result_.out;
  EXPECT_NE(result_.err, "");
  for (char c : result_.err)
    EXPECT_TRUE(c == '\n' || c >= 0x20 || c < 0) << "control character in a file";
  const fs::path run = folder_->path() / "runs/small";
  for (const char* name :
       {"config.json", "environment.json", "metrics.csv", "log.txt", "results.json", "status.json",
        "checkpoints/best.safetensors", "checkpoints/last.safetensors"}) {
    EXPECT_TRUE(fs::exists(run / name)) << name;
  }
  EXPECT_EQ(parse(read(run / "environment.json"))["engine_version"].get<std::string>().empty(),
            false);
}

TEST_F(FinishedRun, EvaluateSaysWhatTheRunSaid) {
  ASSERT_EXIT_CODE(result_, 0);
  const ProcessResult evaluated = run_engine({"evaluate", "runs/small", "--json"}, here());
  ASSERT_EXIT_CODE(evaluated, 0);
  const Json json = parse(evaluated.out);
  EXPECT_EQ(json["split"], "test");
  EXPECT_EQ(json["images"], 40);
  char expected[64];
  std::snprintf(expected, sizeof expected, "%.2f %%", 100 * json["accuracy"].get<double>());
  EXPECT_NE(result_.out.find(expected), std::string::npos) << result_.out << expected;
  std::snprintf(expected, sizeof expected, "%.4f", json["loss"].get<double>());
  EXPECT_NE(result_.out.find(expected), std::string::npos) << result_.out << expected;

  const ProcessResult text =
      run_engine({"evaluate", "runs/small", "--split", "validation"}, here());
  ASSERT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("validation (40 images)"), std::string::npos) << text.out;
}

TEST_F(FinishedRun, PredictReadsFilesAndFolders) {
  ASSERT_EXIT_CODE(result_, 0);
  fs::create_directories(folder_->path() / "images/deep");
  write_jpeg(*folder_ / "images/b.jpg", 16, 200, 30, 30);
  write_jpeg(*folder_ / "images/deep/a.JPEG", 40, 30, 200, 30);
  write_jpeg(*folder_ / "one.jpg", 16, 0, 0, 250);
  const ProcessResult result =
      run_engine({"predict", "runs/small", "one.jpg", "images", "--top", "3", "--json"}, here());
  ASSERT_EXIT_CODE(result, 0);
  const Json json = parse(result.out);
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[0]["image"], "one.jpg");
  EXPECT_EQ(json[1]["image"], "images/b.jpg");
  EXPECT_EQ(json[2]["image"], "images/deep/a.JPEG");
  for (const Json& row : json) {
    ASSERT_EQ(row["classes"].size(), 3u);
    EXPECT_GE(row["classes"][0]["probability"], row["classes"][1]["probability"]);
    EXPECT_GE(row["classes"][1]["probability"], row["classes"][2]["probability"]);
  }
  const Json all =
      parse(run_engine({"predict", "runs/small", "one.jpg", "--top", "99", "--json"}, here()).out);
  ASSERT_EQ(all[0]["classes"].size(), 10u);
  double sum = 0;
  for (const Json& entry : all[0]["classes"]) sum += entry["probability"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
  // An image's answer does not depend on its company.
  EXPECT_EQ(all[0]["classes"][0], json[0]["classes"][0]);

  const ProcessResult table = run_engine({"predict", "runs/small", "images"}, here());
  ASSERT_EXIT_CODE(table, 0);
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 4);
  const Json noisy =
      parse(run_engine({"predict", "runs/small", "one.jpg", "--noise", "--json"}, here()).out);
  EXPECT_NE(noisy[0]["classes"][0]["probability"], all[0]["classes"][0]["probability"]);
}

TEST_F(FinishedRun, PredictListsBadImagesAndGoesOn) {
  ASSERT_EXIT_CODE(result_, 0);
  write_jpeg(*folder_ / "good.jpg", 16, 1, 2, 3);
  std::ofstream(*folder_ / "bad.jpg") << "no image";
  const std::vector<std::string> arguments{"predict", "runs/small", "bad.jpg", "good.jpg",
                                           "--json"};
  const ProcessResult result = run_engine(arguments, here());
  EXPECT_EXIT_CODE(result, 4);
  EXPECT_NE(result.err.find("bad.jpg"), std::string::npos);
  const Json json = parse(result.out);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_TRUE(json[0].contains("error"));
  EXPECT_TRUE(json[1].contains("classes"));
  auto lenient = arguments;
  lenient.push_back("--skip-bad");
  EXPECT_EXIT_CODE(run_engine(lenient, here()), 0);
  EXPECT_EXIT_CODE(run_engine({"predict", "runs/small", "absent.jpg"}, here()), 4);
  fs::create_directories(folder_->path() / "empty");
  EXPECT_EXIT_CODE(run_engine({"predict", "runs/small", "empty"}, here()), 4);
}

TEST_F(FinishedRun, AnotherRunGetsAFolderOfItsOwn) {
  ASSERT_EXIT_CODE(result_, 0);
  const ProcessResult again = run_engine({"run", file_, "--epochs", "1", "--quiet"}, here());
  ASSERT_EXIT_CODE(again, 0);
  EXPECT_NE(again.out.find("runs/small-2"), std::string::npos) << again.out;
  EXPECT_EQ(again.err, "") << "--quiet";
  const ProcessResult refused = run_engine({"run", file_, "--out", "runs/small"}, here());
  EXPECT_EXIT_CODE(refused, 2);
  EXPECT_NE(refused.err.find("--overwrite"), std::string::npos) << refused.err;
  const ProcessResult warm = run_engine(
      {"run", file_, "--epochs", "1", "--quiet", "--from", "runs/small", "--out", "warm"}, here());
  ASSERT_EXIT_CODE(warm, 0);
  EXPECT_TRUE(fs::exists(folder_->path() / "warm/results.json"));
}

TEST_F(FinishedRun, FoldersThatAreNoRuns) {
  for (const char* verb : {"evaluate", "predict"}) {
    for (const char* folder : {"absent", "/", "small.json"}) {
      std::vector<std::string> arguments{verb, folder};
      if (verb == std::string("predict")) arguments.push_back("x.jpg");
      const ProcessResult result = run_engine(arguments, here());
      EXPECT_EXIT_CODE(result, 4);
    }
  }
}

TEST(Run, WithoutDataSaysWhatToDo) {
  TemporaryFolder folder;
  const ProcessResult result =
      run_engine({"run", source_dir() / "experiments/noise.json", "--data-dir", folder / "none"},
                 {.folder = folder.path()});
  EXPECT_EXIT_CODE(result, 4);
  EXPECT_NE(result.err.find("engine data fetch"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("--data-dir"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("quickstart"), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_FALSE(fs::exists(folder.path() / "runs")) << "nothing may stay behind";
}

TEST(Run, ALossThatIsNoNumberExitsWith6) {
  TemporaryFolder folder;
  Json experiment = small_experiment();
  experiment["network"]["nodes"][0].erase("activation");  // a dead ReLU would stop the growth
  experiment["train"]["optimizer"] = {{"type", "sgd"}, {"learning_rate", 1e6}};
  const ProcessResult result =
      run_engine({"run", write_experiment(folder, "wild", experiment)}, {.folder = folder.path()});
  EXPECT_EXIT_CODE(result, 6);
}

}  // namespace
}  // namespace engine::test
