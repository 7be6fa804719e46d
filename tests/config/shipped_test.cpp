// The experiments that come with the engine, their schema and their reference page.

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/core/json.h"
#include "engine/core/limits.h"
#include "engine/graph/graph.h"
#include "tests/config/experiment_files.h"
#include "tests/config/schema_check.h"

namespace engine::test {
namespace {

std::vector<std::filesystem::path> shipped() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "experiments"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

Experiment load_shipped(std::string_view name) {
  return load_experiment((source_dir() / "experiments" / (std::string(name) + ".json")).string(),
                         {}, registry());
}

Graph graph_of(const Experiment& e, Shape image) {
  for (const auto& stage : e.preprocess) image = stage->infer(image);
  return build_graph(e.network, image, {.classes = 10}, registry(), {.batch = 1});
}

TEST(Shipped, AllAreThere) {
  std::vector<std::string> names;
  for (const auto& file : shipped()) names.push_back(file.stem().string());
  EXPECT_EQ(names, (std::vector<std::string>{"gray", "inception_block", "noise", "quickstart",
                                             "residual", "smooth", "smooth_all_axes"}));
}

TEST(Shipped, ResolvedFilesResolveToThemselves) {
  for (const auto& file : shipped()) {
    SCOPED_TRACE(file);
    const Experiment first = load_experiment(file.string(), {}, registry());
    const std::string text = to_json(first.resolved);
    const Experiment second = load_text(text);
    EXPECT_EQ(to_json(second.resolved), text);
    EXPECT_EQ(second.name, first.name);
    ASSERT_EQ(second.network.nodes.size(), first.network.nodes.size());
    for (size_t i = 0; i < first.network.nodes.size(); ++i) {
      EXPECT_EQ(second.network.nodes[i].name, first.network.nodes[i].name);
      EXPECT_EQ(second.network.nodes[i].inputs, first.network.nodes[i].inputs);
    }
  }
}

TEST(Shipped, TheStudysNetwork) {
  const Experiment gray = load_shipped("gray");
  const Graph graph = graph_of(gray, {1, 32, 32, 3});
  EXPECT_EQ(graph.parameter_count(), 1'245'738);
  EXPECT_EQ(gray.train.batch_size, 32);
  EXPECT_EQ(gray.train.epochs, 100);
  EXPECT_EQ(gray.train.early_stopping.patience, 3);
  EXPECT_TRUE(gray.train.early_stopping.enabled && gray.train.early_stopping.restore_best);
  for (const char* name : {"noise", "smooth", "smooth_all_axes"}) {
    const Experiment e = load_shipped(name);
    EXPECT_EQ(graph_of(e, {1, 32, 32, 3}).parameter_count(), 1'245'738);
    EXPECT_EQ(e.train.batch_size, 50);
    EXPECT_EQ(e.train.epochs, 150);
    EXPECT_EQ(e.name, name);
    EXPECT_EQ(e.preprocess[1]->when(), When::once);
  }
  EXPECT_FALSE(load_shipped("smooth").preprocess[2]->mixes_samples());
  EXPECT_TRUE(load_shipped("smooth_all_axes").preprocess[2]->mixes_samples());
}

TEST(Shipped, TheInceptionBlock) {
  const Experiment e = load_shipped("inception_block");
  const Graph graph = graph_of(e, {1, e.data.size.h, e.data.size.w, 3});
  EXPECT_EQ(graph.parameter_count(), 6'400);
  EXPECT_EQ(to_string(graph.shape_of(graph.logits)), "224x224x256");
}

TEST(Shipped, TheOthersBuild) {
  EXPECT_GT(graph_of(load_shipped("quickstart"), {1, 32, 32, 3}).parameter_count(), 10'000);
  EXPECT_GT(graph_of(load_shipped("residual"), {1, 32, 32, 3}).parameter_count(), 100'000);
}

TEST(Schema, ShippedExperimentsPassOurOwnCheck) {
  const Value schema = experiment_schema(registry());
  for (const auto& file : shipped()) {
    const Value document =
        parse_json_or_throw(read_file(file), file.string(), ExitCode::experiment);
    EXPECT_EQ(check_schema(schema, document), "") << file;
    const Experiment e = load_experiment(file.string(), {}, registry());
    EXPECT_EQ(check_schema(schema, e.resolved), "") << file;
  }
}

TEST(Schema, WrongFilesDoNotPass) {
  const Value schema = experiment_schema(registry());
  const char* wrong[] = {
      R"({ })",
      R"({ "extends": 3 })",
      R"({ "extends": "a", "sede": 1 })",
      R"({ "extends": "a", "seed": -1 })",
      R"({ "extends": "a", "train": { "epochs": "5" } })",
      R"({ "extends": "a", "train": { "optimizer": { "type": "adamm" } } })",
      R"({ "extends": "a", "preprocess": [ { "op": "noise" } ] })",
      R"({ "extends": "a", "preprocess": [ { "op": "noise", "sigma": 1, "sigm": 1 } ] })",
      R"({ "extends": "a", "network": { "nodes": [ { "op": "conv2d" } ] } })",
      R"({ "extends": "a", "network": { "nodes": [ { "op": "conv3d", "filters": 1 } ] } })",
      R"({ "extends": "a", "network": { "nodes": [ { "op": "softmax_cross_entropy" } ] } })",
      R"({ "extends": "a", "network": { "nodes": [ { "op": "conv2d", "filters": "$f", "kernel": 1 } ] } })",
  };
  for (const char* text : wrong)
    EXPECT_NE(check_schema(schema, parse_json_or_throw(text, "t", ExitCode::experiment)), "")
        << text;
}

/// With python3 and its jsonschema where the machine has them.
TEST(Schema, ShippedExperimentsPassPythonsCheck) {
  if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3 with jsonschema is not installed";
  ExperimentFiles files;
  files.write("schema.json", to_json(experiment_schema(registry())));
  std::string command = "python3 " + (source_dir() / "tests/config/check_schema.py").string() +
                        " " + files.path("schema.json");
  for (const auto& file : shipped()) {
    const std::string name = file.filename().string();
    files.write(name, to_json(parse_json_or_throw(read_file(file), name, ExitCode::experiment)));
    files.write("resolved_" + name,
                to_json(load_experiment(file.string(), {}, registry()).resolved));
    command += " " + files.path(name) + " " + files.path("resolved_" + name);
  }
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(Reference, ThePageIsWhatTheEngineSays) {
  const std::filesystem::path page = source_dir() / "docs/experiment_files.md";
  const std::string begin = "<!-- engine schema --markdown: begin -->\n";
  const std::string end = "<!-- engine schema --markdown: end -->\n";
  std::string text = read_file(page);
  const size_t from = text.find(begin), to = text.find(end);
  ASSERT_NE(from, text.npos);
  ASSERT_NE(to, text.npos);
  const std::string written = text.substr(from + begin.size(), to - from - begin.size());
  const std::string now = experiment_reference(registry());
  if (written != now && std::getenv("ENGINE_UPDATE_GOLDEN")) {
    write_file(page, text.substr(0, from) + begin + now + text.substr(to));
    return;
  }
  EXPECT_EQ(written, now)
      << "Put the output of `engine schema --markdown` between the two comments of "
         "docs/experiment_files.md (ENGINE_UPDATE_GOLDEN=1 does it).";
}

}  // namespace
}  // namespace engine::test
