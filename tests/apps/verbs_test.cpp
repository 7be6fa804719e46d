// Verbs that read an experiment: their tables, their JSON, their exit codes.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

std::string shipped(const std::string& name) {
  return source_dir() / "experiments" / (name + ".json");
}

Json parse(const ProcessResult& result) {
  EXPECT_EXIT_CODE(result, 0);
  Json json = Json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

void expect_80_columns(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Summary, TheStudysNetwork) {
  const ProcessResult table = run_engine({"summary", shipped("gray")});
  EXPECT_EXIT_CODE(table, 0);
  expect_80_columns(table.out);
  EXPECT_NE(table.out.find("1,245,738"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("inception_a.conv3x3"), std::string::npos) << table.out;
  EXPECT_EQ(table.err, "");

  const Json json = parse(run_engine({"summary", shipped("gray"), "--json"}));
  EXPECT_EQ(json["parameters"], 1245738);
  EXPECT_EQ(json["classes"], 10);
  int64_t parameters = 0, multiply_adds = 0;
  std::map<std::string, Json> nodes;
  for (const Json& node : json["nodes"]) {
    parameters += node["parameters"].get<int64_t>();
    multiply_adds += node["multiply_adds"].get<int64_t>();
    nodes[node["name"]] = node;
  }
  EXPECT_EQ(parameters, 1245738);
  EXPECT_EQ(multiply_adds, json["multiply_adds"]);
  // The study's own table.
  EXPECT_EQ(nodes["stem"]["parameters"], 3200);
  EXPECT_EQ(nodes["stem"]["output"], Json({16, 16, 64}));
  EXPECT_EQ(nodes["stem"]["multiply_adds"], 16 * 16 * 64 * 49);
  EXPECT_EQ(nodes["stem"]["bytes"], 16 * 16 * 64 * 4);
  EXPECT_EQ(nodes["inception_a.conv5x5"]["parameters"], 51232);
  EXPECT_EQ(nodes["inception_b.conv5x5"]["parameters"], 614496);
  EXPECT_EQ(nodes["pool2"]["output"], Json({4, 4, 480}));
  EXPECT_EQ(nodes["classifier"]["parameters"], 4810);
  const Json memory = json["memory"];
  EXPECT_GE(memory["parameters"].get<int64_t>(), 4 * 1245738);
  EXPECT_GE(memory["moments"].get<int64_t>(), 8 * 1245738);
  EXPECT_LT(memory["activations"], memory["activations_without_reuse"]);
  EXPECT_EQ(memory["total"].get<int64_t>(),
            memory["parameters"].get<int64_t>() + memory["gradients"].get<int64_t>() +
                memory["moments"].get<int64_t>() + memory["activations"].get<int64_t>());
}

TEST(Summary, TheBlockOf6400Parameters) {
  EXPECT_EQ(parse(run_engine({"summary", shipped("inception_block"), "--json"}))["parameters"],
            6400);
}

TEST(Summary, LongNamesStillFit) {
  TemporaryFolder folder;
  Json experiment = small_experiment();
  experiment["network"]["nodes"][0]["name"] = std::string(64, 'n');
  const std::string file = write_experiment(folder, "long", experiment);
  const ProcessResult table = run_engine({"summary", file});
  EXPECT_EXIT_CODE(table, 0);
  expect_80_columns(table.out);
}

TEST(Check, EveryShippedExperimentIsRightAndHasAPlan) {
  std::vector<std::string> arguments{"check", "--target", "cpu"};
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "experiments")) {
    if (entry.path().extension() == ".json") arguments.push_back(entry.path()), ++count;
  }
  ASSERT_GE(count, 7u);
  const ProcessResult result = run_engine(arguments);
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), static_cast<long>(count));
}

TEST(Check, ReportsEachFileAndGoesOn) {
  TemporaryFolder folder;
  Json wrong = small_experiment();
  wrong["train"]["epohcs"] = 3;
  wrong["seed"] = "one";
  const std::string bad = write_experiment(folder, "bad", wrong);
  const std::string good = write_experiment(folder, "good", small_experiment());
  const ProcessResult result = run_engine({"check", bad, good});
  EXPECT_EXIT_CODE(result, 3);
  EXPECT_NE(result.out.find(good + ": ok"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find(bad), std::string::npos) << result.out;
  EXPECT_NE(result.err.find("train.epohcs"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("epochs"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("seed"), std::string::npos) << result.err;
}

TEST(Check, ShapesThatDoNotFitNameTheNode) {
  TemporaryFolder folder;
  Json wrong = small_experiment();
  wrong["network"]["nodes"][0]["kernel"] = 99;
  wrong["network"]["nodes"][0]["padding"] = "valid";
  const ProcessResult result = run_engine({"check", write_experiment(folder, "bad", wrong)});
  EXPECT_EXIT_CODE(result, 3);
  EXPECT_NE(result.err.find("conv1"), std::string::npos) << result.err;
}

TEST(Check, FilesThatAreNoExperiments) {
  TemporaryFolder folder;
  EXPECT_EXIT_CODE(run_engine({"check", folder / "absent.json"}), 3);
  EXPECT_EXIT_CODE(run_engine({"check", folder.path()}), 3);
  EXPECT_EXIT_CODE(run_engine({"check", "/dev/null"}), 3);
  EXPECT_EXIT_CODE(run_engine({"check", shipped("gray"), "--target", "cuda"}), 8);
}

TEST(Config, SaysWhereValuesComeFrom) {
  TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment());
  const ProcessResult text = run_engine({"config", file, "--set", "train.epochs=7", "--seed", "9"});
  EXPECT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("train.epochs"), std::string::npos);
  EXPECT_NE(text.out.find("--set train.epochs=7"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("default"), std::string::npos) << text.out;
  const Json json =
      parse(run_engine({"config", file, "--set", "train.epochs=7", "--seed", "9", "--json"}));
  EXPECT_EQ(json["train"]["epochs"], 7);
  EXPECT_EQ(json["seed"], 9);
}

TEST(Config, ItsJsonIsAnExperimentThatSaysTheSame) {
  TemporaryFolder folder;
  const ProcessResult first = run_engine({"config", shipped("noise"), "--json"});
  EXPECT_EXIT_CODE(first, 0);
  const std::string file = folder / "resolved.json";
  std::ofstream(file) << first.out;
  EXPECT_EQ(run_engine({"config", file, "--json"}).out, first.out);
}

TEST(New, WritesAnExperimentThatIsRight) {
  TemporaryFolder folder;
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult result = run_engine({"new", "mine"}, here);
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_EQ(result.out, "mine.json\n");
  EXPECT_EXIT_CODE(run_engine({"check", "mine.json", "--target", "cpu"}, here), 0);
  EXPECT_EQ(parse(run_engine({"config", "mine.json", "--json"}, here))["name"], "mine");
}

TEST(New, OverwritesNothing) {
  TemporaryFolder folder;
  const ProcessOptions here{.folder = folder.path()};
  std::ofstream(folder / "mine.json") << "precious";
  const ProcessResult result = run_engine({"new", "mine"}, here);
  EXPECT_EXIT_CODE(result, 2);
  EXPECT_NE(result.err.find("exists"), std::string::npos);
  std::string text;
  std::ifstream(folder / "mine.json") >> text;
  EXPECT_EQ(text, "precious");
  for (const char* name : {"", ".", "..", "a b", "a\nb", "/"})
    EXPECT_EXIT_CODE(run_engine({"new", name}, here), 2);
  EXPECT_EXIT_CODE(run_engine({"new", "absent/mine"}, here), 7);
}

TEST(Schema, IsDraft7AndKnowsTheOps) {
  const Json schema = parse(run_engine({"schema"}));
  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  const std::string text = schema.dump();
  for (const char* word :
       {"conv2d", "batch_normalization", "grayscale", "adamw", "early_stopping"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word;
  }
  const ProcessResult page = run_engine({"schema", "--markdown"});
  EXPECT_EXIT_CODE(page, 0);
  EXPECT_NE(page.out.find("early_stopping"), std::string::npos);
}

TEST(Devices, NamesTheCpu) {
  const ProcessResult text = run_engine({"devices"});
  EXPECT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("oneDNN 3"), std::string::npos) << text.out;
  const Json json = parse(run_engine({"devices", "--json"}));
  EXPECT_GE(json["devices"][0]["cores"], 1);
  // Without a GPU the CPU is the default, and a line says why.
  const bool has_gpu = json["devices"].size() > 1;
  EXPECT_EQ(json["default"], has_gpu ? "cuda:0" : "cpu");
  EXPECT_EQ(json.contains("no_cuda_because"), !has_gpu);
  EXPECT_EQ(text.out.find("not available: ") != std::string::npos, !has_gpu);
}

TEST(Bench, AFolderThatIsNotHereIsNoHindrance) {
  TemporaryFolder folder;
  Json experiment = small_experiment();
  experiment["data"] = {{"source", "image_folder"}, {"path", "absent"}, {"size", 16}};
  const std::string file = write_experiment(folder, "small", experiment);
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"check", file, "--target", "cpu"},
        {"summary", file},
        {"bench", file, "--windows", "1", "--seconds", "0.01"},
        {"profile", file, "--seconds", "0.01"}}) {
    const ProcessResult result = run_engine(arguments, {.folder = folder.path()});
    EXPECT_EXIT_CODE(result, 0);
    EXPECT_NE(result.err.find("assuming 10 classes"), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find("assuming"), result.err.rfind("assuming")) << "once: " << result.err;
  }
  EXPECT_EXIT_CODE(run_engine({"run", file}, {.folder = folder.path()}), 4);
}

TEST(Bench, PrintsFiguresForEveryPart) {
  TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment());
  const std::vector<std::string> quick{"bench",     file, "--batch",   "8",
                                       "--windows", "2",  "--seconds", "0.02"};
  auto with_json = quick;
  with_json.push_back("--json");
  const Json json = parse(run_engine(with_json));
  EXPECT_GT(json["images_per_second"].get<double>(), 0);
  EXPECT_EQ(json["batch_size"], 8);
  for (const char* part : {"training", "evaluation", "preprocessing"}) {
    const Json& rate = json[part];
    EXPECT_GT(rate["images_per_second"].get<double>(), 0) << part;
    EXPECT_LE(rate["least"], rate["images_per_second"]) << part;
    EXPECT_GE(rate["most"], rate["images_per_second"]) << part;
  }
  EXPECT_EQ(json["images_per_second"], json["training"]["images_per_second"]);
  std::set<std::string> names;
  double forward = 0;
  for (const Json& node : json["nodes"]) {
    names.insert(node["node"].get<std::string>());
    forward += node["forward_ms"].get<double>();
  }
  EXPECT_TRUE(names.contains("conv1")) << json["nodes"];
  EXPECT_GT(forward, 0);

  const ProcessResult table = run_engine(quick);
  EXPECT_EXIT_CODE(table, 0);
  expect_80_columns(table.out);
}

TEST(Profile, AddsUpAndSortsByTime) {
  TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment());
  const std::vector<std::string> quick{"profile", file, "--batch", "8", "--seconds", "0.05"};
  auto with_json = quick;
  with_json.push_back("--json");
  const Json json = parse(run_engine(with_json));
  EXPECT_EQ(json["batch_size"], 8);
  EXPECT_GE(json["steps"], 1);
  EXPECT_GT(json["milliseconds_per_step"].get<double>(), 0);
  const double all = json["milliseconds_of_nodes"].get<double>();
  std::map<std::string, double> of_ops;
  std::set<std::string> names;
  double sum = 0, shares = 0, before = all;
  for (const Json& node : json["nodes"]) {
    const double ms = node["forward_ms"].get<double>() + node["backward_ms"].get<double>();
    EXPECT_LE(ms, before) << node;
    before = ms;
    sum += ms;
    shares += node["share"].get<double>();
    of_ops[node["op"].get<std::string>()] += ms;
    names.insert(node["node"].get<std::string>());
  }
  EXPECT_NEAR(sum, all, 1e-9 * all);
  EXPECT_NEAR(shares, 1, 1e-9);
  for (const char* name : {"gather", "conv1", "optimizer"}) EXPECT_TRUE(names.contains(name));
  ASSERT_EQ(json["ops"].size(), of_ops.size());
  for (const Json& op : json["ops"]) {
    EXPECT_NEAR(op["ms"].get<double>(), of_ops[op["op"].get<std::string>()], 1e-9 * all) << op;
  }
  for (const Json& node : json["nodes"]) {
    // Only what multiplies has a rate.
    EXPECT_EQ(node.contains("forward_gflops"), node["op"] == "conv2d" || node["op"] == "dense")
        << node;
  }

  const ProcessResult table = run_engine(quick);
  EXPECT_EXIT_CODE(table, 0);
  expect_80_columns(table.out);
}

}  // namespace
}  // namespace engine::test
