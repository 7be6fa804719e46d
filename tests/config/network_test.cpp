// Expansion of blocks: names, inputs, limits.

#include "engine/graph/network.h"

#include <gtest/gtest.h>

#include "engine/core/json.h"
#include "engine/core/limits.h"
#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

NetworkSpec read(const std::string& text, std::string* complaint = nullptr) {
  Problems problems;
  const Value network = parse_json_or_throw(text, "t", ExitCode::experiment);
  NetworkSpec spec = read_network(network, registry(), problems);
  if (complaint) {
    *complaint = problems.text();
  } else {
    EXPECT_EQ(problems.text(), "");
  }
  return spec;
}

std::string complaint(const std::string& text) {
  std::string said;
  read(text, &said);
  return said;
}

/// "name(input,input)" of every node; the network's input is empty.
std::string wiring(const NetworkSpec& spec) {
  std::string out;
  for (const NodeSpec& node : spec.nodes) {
    out += (out.empty() ? "" : " ") + node.name + "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) out += (i ? "," : "") + node.inputs[i];
    out += ")";
  }
  return out;
}

TEST(Network, ANodeReadsTheOneBefore) {
  EXPECT_EQ(wiring(read(R"({ "nodes": [
    { "name": "a", "op": "flatten" }, { "op": "flatten" }, { "op": "flatten" },
    { "name": "flatten_2", "op": "flatten" },
    { "op": "add", "inputs": ["a", "flatten", "flatten_3", "flatten_2", "$input"] } ] })")),
            "a() flatten(a) flatten_3(flatten) flatten_2(flatten_3) "
            "add(a,flatten,flatten_3,flatten_2,)");
}

TEST(Network, BlocksExpand) {
  const NetworkSpec spec = read(R"({
    "blocks": {
      "outer": { "parameters": ["n"], "nodes": [
        { "name": "first", "block": "inner", "width": "$n" },
        { "name": "side", "block": "inner", "width": 5, "input": "$input" },
        { "name": "sum", "op": "add", "inputs": ["first", "side", "first.c2", "$input"] } ] },
      "inner": { "parameters": ["width"], "nodes": [
        { "name": "c1", "op": "conv2d", "filters": "$width", "kernel": [1, 3] },
        { "name": "c2", "op": "conv2d", "filters": "$width", "kernel": 1 } ] } },
    "nodes": [
      { "name": "stem", "op": "flatten" },
      { "name": "x", "block": "outer", "n": 7 },
      { "name": "y", "block": "outer", "n": 8, "input": "stem" },
      { "name": "end", "op": "add", "inputs": ["x", "y", "x.first.c1"] } ] })");
  EXPECT_EQ(wiring(spec),
            "stem() x.first.c1(stem) x.first.c2(x.first.c1) x.side.c1(stem) x.side.c2(x.side.c1) "
            "x.sum(x.first.c2,x.side.c2,x.first.c2,stem) "
            "y.first.c1(stem) y.first.c2(y.first.c1) y.side.c1(stem) y.side.c2(y.side.c1) "
            "y.sum(y.first.c2,y.side.c2,y.first.c2,stem) end(x.sum,y.sum,x.first.c1)");
  EXPECT_EQ(spec.nodes[1].block, "x.first");
  EXPECT_EQ(spec.nodes[5].block, "x");
  EXPECT_EQ(spec.nodes[0].block, "");
  const auto filters = [&](size_t node) {
    return spec.nodes[node].op->infer(std::vector<Shape>{{1, 8, 8, 3}}, {}).output.c;
  };
  EXPECT_EQ(filters(1), 7);
  EXPECT_EQ(filters(3), 5);
  EXPECT_EQ(filters(6), 8);
}

TEST(Network, BlocksWithSeveralInputsAndArguments) {
  const NetworkSpec spec = read(R"({
    "blocks": { "merge": { "parameters": ["k", "act"], "nodes": [
      { "name": "c", "op": "conv2d", "input": "$input2", "filters": 3, "kernel": ["$k", 1], "activation": "$act" },
      { "name": "sum", "op": "add", "inputs": ["$input", "c"] } ] } },
    "nodes": [
      { "name": "a", "op": "flatten" }, { "name": "b", "op": "flatten", "input": "$input" },
      { "name": "m", "block": "merge", "inputs": ["a", "b"], "k": 3, "act": "tanh" } ] })");
  EXPECT_EQ(wiring(spec), "a() b() m.c(b) m.sum(a,m.c)");
  EXPECT_EQ(spec.nodes[2].op->brief().find("3x1"), 0u) << spec.nodes[2].op->brief();
}

std::string nodes(size_t count) {
  std::string list = R"({ "nodes": [)";
  for (size_t i = 0; i < count; ++i) list += std::string(i ? "," : "") + R"({"op":"flatten"})";
  return list + "]}";
}

TEST(NetworkLimits, Nodes) {
  EXPECT_EQ(complaint(nodes(kLimits.nodes - 1)), "");
  EXPECT_EQ(complaint(nodes(kLimits.nodes)), "");
  EXPECT_TRUE(
      complaint(nodes(kLimits.nodes + 1))
          .starts_with("t:1:12: network.nodes: expected at most 10000 nodes after expanding "
                       "blocks"));
}

/// Levels of blocks, each of which uses the next `width` times; the last is one node.
std::string tower(size_t levels, size_t width) {
  std::string text = R"({ "blocks": { "b0": { "nodes": [ { "op": "flatten" } ] })";
  for (size_t i = 1; i < levels; ++i) {
    text += fmt::format(R"(, "b{}": {{ "nodes": [ )", i);
    for (size_t j = 0; j < width; ++j)
      text += fmt::format(R"({}{{ "block": "b{}" }})", j ? ", " : "", i - 1);
    text += " ] }";
  }
  return text + fmt::format(R"( }}, "nodes": [ {{ "block": "b{}" }} ] }})", levels - 1);
}

TEST(NetworkLimits, BlocksThatMultiplyAreCountedNotExpanded) {
  EXPECT_EQ(complaint(tower(5, 10)), "");  // 10^4 nodes
  EXPECT_NE(complaint(tower(6, 10)).find("expected at most 10000 nodes after expanding blocks"),
            std::string::npos);
  EXPECT_NE(complaint(tower(16, 100)).find("expected at most 10000 nodes"), std::string::npos);
}

TEST(NetworkLimits, LevelsOfBlocks) {
  EXPECT_EQ(complaint(tower(kLimits.block_levels - 1, 1)), "");
  EXPECT_EQ(complaint(tower(kLimits.block_levels, 1)), "");
  EXPECT_NE(complaint(tower(kLimits.block_levels + 1, 1))
                .find("expected at most 16 levels of blocks in blocks"),
            std::string::npos);
  EXPECT_NE(complaint(tower(9000, 1)).find("expected at most 16 levels"), std::string::npos);
  // In the other order of definition, too.
  std::string text = R"({ "blocks": { )";
  for (size_t i = 0; i < 5000; ++i)
    text += fmt::format(R"("b{}": {{ "nodes": [ {{ "block": "b{}" }} ] }}, )", i, i + 1);
  text += R"("b5000": { "nodes": [ { "op": "flatten" } ] } }, "nodes": [ { "block": "b0" } ] })";
  EXPECT_NE(complaint(text).find("expected at most 16 levels"), std::string::npos);
}

TEST(NetworkLimits, ManyCyclesDoNotTakeLong) {
  // Every block uses every block: without memory that would be 100^16 paths.
  std::string text = R"({ "blocks": { )";
  for (int i = 0; i < 100; ++i) {
    text += fmt::format(R"({}"b{}": {{ "nodes": [ )", i ? ", " : "", i);
    for (int j = 0; j < 100; ++j)
      text += fmt::format(R"({}{{ "block": "b{}" }})", j ? ", " : "", j);
    text += " ] }";
  }
  EXPECT_NE(complaint(text + R"( }, "nodes": [ { "block": "b0" } ] })")
                .find("expected blocks that do not contain themselves"),
            std::string::npos);
}

TEST(NetworkLimits, NamesAndSizeOfANode) {
  const auto named = [](size_t length) {
    return fmt::format(R"({{ "nodes": [ {{ "name": "{}", "op": "flatten" }} ] }})",
                       std::string(length, 'a'));
  };
  EXPECT_EQ(complaint(named(kLimits.name_bytes - 1)), "");
  EXPECT_EQ(complaint(named(kLimits.name_bytes)), "");
  EXPECT_NE(complaint(named(kLimits.name_bytes + 1)).find("at most 64 characters"),
            std::string::npos);
  // A node of n values: itself, the key and value of op and of inputs, and the inputs.
  const auto wide = [](size_t values) {
    std::string text = R"({ "nodes": [ { "op": "concat", "inputs": ["$input")";
    for (size_t i = 6; i < values; ++i) text += R"(, "$input")";
    return text + "] } ] }";
  };
  EXPECT_EQ(complaint(wide(kLimits.node_values - 1)), "");
  EXPECT_EQ(complaint(wide(kLimits.node_values)), "");
  EXPECT_NE(complaint(wide(kLimits.node_values + 1)).find("expected a node of at most 1000"),
            std::string::npos);
}

TEST(NetworkLimits, Stages) {
  ExperimentFiles files;
  files.write("base.json", read_file(source_dir() / "tests/config/bad/base.json"));
  for (size_t count : {kLimits.stages - 1, kLimits.stages, kLimits.stages + 1}) {
    std::string text = R"({ "extends": "base.json", "preprocess": [)";
    for (size_t i = 0; i < count; ++i)
      text += fmt::format(R"({}{{ "name": "s{}", "op": "grayscale" }})", i ? "," : "", i);
    files.write("case.json", text + "] }");
    const bool good = files.complaint("case.json").empty();
    EXPECT_EQ(good, count <= kLimits.stages) << count;
  }
}

}  // namespace
}  // namespace engine::test
