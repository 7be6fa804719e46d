// engine data as a user calls it.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/apps/small_experiment.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

Json parse(const ProcessResult& result) {
  EXPECT_EXIT_CODE(result, 0);
  Json json = Json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

TEST(Data, StatsOfShapes) {
  const ProcessResult table = run_engine({"data", "stats", "shapes"});
  EXPECT_EXIT_CODE(table, 0);
  EXPECT_NE(table.out.find("deviation"), std::string::npos) << table.out;
  EXPECT_TRUE(parse(run_engine({"data", "stats", "shapes", "--json"})).is_object());
}

TEST(Data, MadeShapesAreTheSameDataAsAFolder) {
  TemporaryFolder folder;
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult made = run_engine(
      {"data", "make", "shapes", "--count", "50", "--size", "16", "--out", "data/shapes"}, here);
  ASSERT_EXIT_CODE(made, 0);
  EXPECT_NE(made.out.find("50 training and 10 test images"), std::string::npos) << made.out;
  Json experiment = small_experiment();
  experiment["data"] = {{"source", "image_folder"}, {"path", "shapes"}, {"size", 16}};
  const std::string from_files = write_experiment(folder, "files", experiment);
  experiment["data"] = {{"source", "shapes"}, {"count", 50}, {"size", 16}};
  experiment["seed"] = 1;
  const std::string generated = write_experiment(folder, "generated", experiment);
  const Json files = parse(run_engine({"data", "stats", from_files, "--json"}, here));
  const Json direct = parse(run_engine({"data", "stats", generated, "--json"}, here));
  // Mean and deviation of all pixels agree: PNG loses nothing.
  for (const char* key : {"image", "classes", "training", "test", "mean", "standard_deviation"}) {
    ASSERT_FALSE(files[key].is_null()) << key;
    EXPECT_EQ(files[key], direct[key]) << key;
  }
  EXPECT_EXIT_CODE(run_engine({"check", from_files}, here), 0);
  EXPECT_EXIT_CODE(run_engine({"data", "make", "shapes", "--out", "data/shapes"}, here), 7);
}

TEST(Data, BadImagesAreErrorsOrListed) {
  TemporaryFolder folder;
  const ProcessOptions here{.folder = folder.path()};
  ASSERT_EXIT_CODE(run_engine({"data", "make", "shapes", "--count", "50", "--size", "16", "--out",
                               "data/shapes"},
                              here),
                   0);
  std::filesystem::path first;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder.path() / "data/shapes/train")) {
    if (entry.is_regular_file()) first = entry.path();
  }
  std::ofstream(first, std::ios::trunc) << "no image";
  Json experiment = small_experiment();
  experiment["data"] = {{"source", "image_folder"}, {"path", "shapes"}, {"size", 16}};
  const std::string file = write_experiment(folder, "files", experiment);
  const ProcessResult refused = run_engine({"data", "stats", file}, here);
  EXPECT_EXIT_CODE(refused, 4);
  EXPECT_NE(refused.err.find(first.filename().string()), std::string::npos) << refused.err;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"data", "stats", file, "--skip-bad"},
        {"preprocess", file, "--split", "test", "--out", "y.npy", "--skip-bad"}}) {
    const ProcessResult lenient = run_engine(arguments, here);
    EXPECT_EXIT_CODE(lenient, 0);
    EXPECT_NE((lenient.out + lenient.err).find(first.filename().string()), std::string::npos)
        << lenient.err;
  }
}

TEST(Data, WithoutFiles) {
  TemporaryFolder folder;
  for (const char* word : {"verify", "stats"}) {
    const ProcessResult result = run_engine({"data", word, "--data-dir", folder.path()});
    EXPECT_EXIT_CODE(result, 4);
    EXPECT_NE(result.err.find("engine data fetch"), std::string::npos) << result.err;
  }
}

TEST(Data, FetchWithoutAServerLeavesNothing) {
  TemporaryFolder folder;
  const ProcessResult closed = run_engine(
      {"data", "fetch", "--data-dir", folder / "data", "--url", "http://127.0.0.1:1/x.tar.gz"});
  EXPECT_EXIT_CODE(closed, 4);
  EXPECT_NE(closed.err.find("127.0.0.1"), std::string::npos) << closed.err;
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "data/cifar-10-binary.tar.gz"));
  EXPECT_EXIT_CODE(run_engine({"data", "fetch", "--data-dir", folder / "data", "--url",
                               "http://example.org/x.tar.gz"}),
                   2);
}

}  // namespace
}  // namespace engine::test
