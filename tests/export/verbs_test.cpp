// engine export and engine import as a user runs them.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/safetensors.h"
#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A file as other programs write it: without the engine's metadata and checksum.
void write_foreign(const std::string& path, const std::vector<NamedTensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const NamedTensor& tensor : tensors) {
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.dims}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&length), 8)
      << text << data;
}

/// One run for all tests, whose preprocessing has measured something.
class ExportVerbs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    Json experiment = small_experiment();
    experiment["preprocess"].push_back({{"op", "normalize"}});
    experiment["data"]["count"] = 50;
    experiment["train"]["epochs"] = 1;
    file_ = write_experiment(*folder_, "small", experiment);
    run_ = *folder_ / "run";
    ASSERT_EXIT_CODE(run_engine({"run", file_, "--out", run_, "--threads", "1", "--quiet"}), 0);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string best() { return run_ + "/checkpoints/best.safetensors"; }

  /// Runs in a folder of its own, so that default names are free.
  static ProcessResult in(const TemporaryFolder& folder, std::vector<std::string> arguments) {
    return run_engine(std::move(arguments), {.folder = folder.path()});
  }

  static void expect_refused(const ProcessResult& result, int code, const std::string& text) {
    EXPECT_EXIT_CODE(result, code);
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::string file_, run_;
  TemporaryFolder here_;
};
std::unique_ptr<TemporaryFolder> ExportVerbs::folder_;
std::string ExportVerbs::file_, ExportVerbs::run_;

TEST_F(ExportVerbs, TheSameWeightsAreTheSameBytes) {
  for (const auto& [format, file] :
       {std::pair("safetensors", "weights.safetensors"), std::pair("onnx", "model.onnx")}) {
    const ProcessResult first = run_engine({"export", run_, "--format", format});
    ASSERT_EXIT_CODE(first, 0);
    EXPECT_TRUE(first.out.starts_with(run_ + "/" + file + ": ")) << first.out;
    EXPECT_NE(first.out.find("weights of epoch 1"), std::string::npos) << first.out;
    ASSERT_EXIT_CODE(run_engine({"export", run_, "--format", format, "--out", here_ / file}), 0);
    EXPECT_EQ(read(here_ / file), read(run_ + "/" + file));
  }
  EXPECT_EQ(read(here_ / "weights.safetensors"), read(best()));
}

TEST_F(ExportVerbs, WhatCannotBeExported) {
  expect_refused(run_engine({"export", run_}), 2, "--format is required");
  expect_refused(run_engine({"export", run_, "--format", "onxx"}), 2, "onnx");
  expect_refused(run_engine({"export", here_ / "absent", "--format", "onnx"}), 4,
                 "absent: not a run folder: config.json is missing");
  expect_refused(run_engine({"export", file_, "--format", "onnx"}), 4, "not a run folder");
  fs::copy(run_, here_ / "copy", fs::copy_options::recursive);
  fs::remove(here_ / "copy/checkpoints/best.safetensors");
  expect_refused(run_engine({"export", here_ / "copy", "--format", "onnx"}), 4,
                 "checkpoints/best.safetensors is missing");
  write_foreign(here_ / "copy/checkpoints/best.safetensors", read_safetensors(best()));
  const std::string out = here_ / "model.onnx";
  expect_refused(run_engine({"export", here_ / "copy", "--format", "onnx", "--out", out}), 4,
                 "engine import");
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(ExportVerbs, ARunThatIsReplacedTakesItsExportsAlong) {
  fs::copy(run_, here_ / "copy", fs::copy_options::recursive);
  for (const char* format : {"safetensors", "onnx"})
    ASSERT_EXIT_CODE(run_engine({"export", here_ / "copy", "--format", format}), 0);
  ASSERT_EXIT_CODE(run_engine({"run", file_, "--out", here_ / "copy", "--overwrite", "--threads",
                               "1", "--quiet"}),
                   0);
  EXPECT_FALSE(fs::exists(here_ / "copy/model.onnx"));
  EXPECT_FALSE(fs::exists(here_ / "copy/weights.safetensors"));
}

TEST_F(ExportVerbs, DamagedWeightsAreNotExported) {
  fs::copy(run_, here_ / "copy", fs::copy_options::recursive);
  const std::string path = here_ / "copy/checkpoints/best.safetensors";
  std::string bytes = read(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(path, std::ios::binary) << bytes;
  for (const char* format : {"onnx", "safetensors"}) {
    expect_refused(run_engine({"export", here_ / "copy", "--format", format}), 4, "damaged");
  }
}

TEST_F(ExportVerbs, APlaceThatCannotBeWritten) {
  for (const char* format : {"onnx", "safetensors"}) {
    const std::string path = here_ / "absent/file";
    expect_refused(run_engine({"export", run_, "--format", format, "--out", path}), 7, path);
    fs::create_directories(here_ / "taken/inside");
    expect_refused(run_engine({"export", run_, "--format", format, "--out", here_ / "taken"}), 7,
                   "taken");
    EXPECT_FALSE(exists(here_ / "taken.tmp"));
  }
}

TEST_F(ExportVerbs, WeightsThatComeBackAreTheRuns) {
  write_foreign(here_ / "foreign.safetensors", read_safetensors(best()));
  const ProcessResult result = in(here_, {"import", "foreign.safetensors", "--experiment", file_});
  ASSERT_EXIT_CODE(result, 0);
  EXPECT_NE(result.out.find("runs/small-imported: 4 tensors with 170 numbers, 10 classes"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("next: engine evaluate runs/small-imported\n"), std::string::npos);
  // The file says nothing of means and deviations: they were measured as the run did.
  const std::string imported = here_ / "runs/small-imported";
  Json before = Json::parse(run_engine({"evaluate", run_, "--threads", "1", "--json"}).out);
  const ProcessResult evaluated = run_engine({"evaluate", imported, "--threads", "1", "--json"});
  ASSERT_EXIT_CODE(evaluated, 0);
  Json after = Json::parse(evaluated.out);
  EXPECT_EQ(after["loss"], before["loss"]);
  EXPECT_EQ(after["accuracy"], before["accuracy"]);
  // A second import disturbs nothing, and all of it can be trained and exported.
  EXPECT_NE(in(here_, {"import", "foreign.safetensors", "--experiment", file_})
                .out.find("runs/small-imported-2"),
            std::string::npos);
  EXPECT_EXIT_CODE(in(here_, {"export", imported, "--format", "onnx"}), 0);
  EXPECT_EXIT_CODE(
      in(here_, {"run", file_, "--from", imported, "--out", "on", "--threads", "1", "--quiet"}), 0);
  EXPECT_NE(in(here_, {"ls"}).out.find("imported"), std::string::npos);
}

TEST_F(ExportVerbs, AWeightsFileForRunAndForward) {
  write_foreign(here_ / "foreign.safetensors", read_safetensors(best()));
  ASSERT_EXIT_CODE(in(here_, {"import", "foreign.safetensors", "--experiment", file_, "--out",
                              "checked.safetensors"}),
                   0);
  Metadata metadata;
  EXPECT_EQ(read_safetensors(here_ / "checked.safetensors", &metadata, true).size(), 4u);
  EXPECT_TRUE(find(metadata, "engine.classes"));
  ASSERT_EXIT_CODE(in(here_, {"preprocess", file_, "--split", "test", "--out", "x.npy"}), 0);
  ASSERT_EXIT_CODE(in(here_, {"forward", file_, "--weights", "checked.safetensors", "--input",
                              "x.npy", "--out", "a.npy", "--threads", "1"}),
                   0);
  ASSERT_EXIT_CODE(in(here_, {"forward", file_, "--weights", run_, "--input", "x.npy", "--out",
                              "b.npy", "--threads", "1"}),
                   0);
  EXPECT_EQ(read(here_ / "a.npy"), read(here_ / "b.npy"));
  EXPECT_EXIT_CODE(in(here_, {"run", file_, "--from", "checked.safetensors", "--out", "on",
                              "--threads", "1", "--quiet"}),
                   0);
}

TEST_F(ExportVerbs, WhatCannotBeImported) {
  const std::vector<std::string> with{"--experiment", file_};
  const auto import = [&](const std::string& weights, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"import", weights, "--experiment", file_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return in(here_, arguments);
  };
  expect_refused(import("absent.safetensors"), 4, "absent.safetensors: cannot open");
  expect_refused(in(here_, {"import", best(), "--experiment", "absent.json"}), 3, "absent.json");
  std::ofstream(here_ / "model.pt") << "PK\x03\x04" << std::string(100, 'x');
  expect_refused(import("model.pt"), 4, "safetensors.torch.save_file");
  std::vector<NamedTensor> tensors = read_safetensors(best());
  tensors[0].name += "x";
  write_foreign(here_ / "wrong.safetensors", tensors);
  expect_refused(import("wrong.safetensors"), 4, "did you mean");
  expect_refused(import(best(), {"--out", run_}), 2, "give a new folder");
  expect_refused(import(best(), {"--out", "absent/w.safetensors"}), 7, "absent/w.safetensors");
  fs::create_directories(here_ / "data/mine/train/a");
  fs::create_directories(here_ / "data/mine/train/b");
  fs::create_directories(here_ / "data/mine/test");
  expect_refused(import(best(), {"--set", "data.source=image_folder", "--set", "data.path=mine",
                                 "--data-dir", here_ / "data"}),
                 4, "of other classes (");
  EXPECT_FALSE(exists(here_ / "runs")) << "nothing was made";
}

TEST_F(ExportVerbs, TheOrderBehindFlattenIsPointedOut) {
  Json experiment = small_experiment();
  experiment["network"] = Json::parse(R"({"nodes": [
      {"name": "conv", "op": "conv2d", "filters": 2, "kernel": 1, "stride": 8},
      {"name": "flat", "op": "flatten"},
      {"name": "classifier", "op": "dense", "units": "classes"}]})");
  const std::string file = write_experiment(here_, "flat", experiment);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, dims] :
       {std::pair<std::string, std::vector<int64_t>>{"conv.weight", {2, 1, 1, 1}},
        {"conv.bias", {2}},
        {"classifier.weight", {10, 8}},
        {"classifier.bias", {10}}}) {
    NamedTensor tensor{name, DType::f32, dims, {}};
    tensor.bytes.resize(static_cast<size_t>(tensor.elements()) * sizeof(float));
    tensors.push_back(std::move(tensor));
  }
  write_foreign(here_ / "w.safetensors", tensors);
  const ProcessResult result = in(here_, {"import", "w.safetensors", "--experiment", file});
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_NE(result.err.find("note: \"flat\" orders the values of 2x2x2"), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace engine::test
