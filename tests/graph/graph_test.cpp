#include "engine/graph/graph.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "engine/graph/passes.h"
#include "tests/graph/float_set.h"

namespace engine::test {
namespace {

std::string network_json(std::string_view nodes, std::string_view image = "[8, 8, 3]") {
  return fmt::format(R"({{"image": {}, "classes": 4, "batch": 2, "network": {{"nodes": [{}]}}}})",
                     image, nodes);
}

Graph build(const SmallNetwork& network, bool training = true) {
  return build_graph(network.network, network.image, network.context, network.registry,
                     {.batch = network.batch, .training = training});
}

std::string error_of(std::string_view nodes) {
  try {
    build(SmallNetwork::from_text(network_json(nodes)));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::experiment);
    return error.what();
  }
  return "no error";
}

const Node& node(const Graph& graph, std::string_view name) {
  for (const Node& each : graph.nodes) {
    if (each.name == name) return each;
  }
  throw std::runtime_error("no node " + std::string(name));
}

TEST(Graph, InfersShapesWithTheBatch) {
  const Graph graph = build(SmallNetwork::from_text(kEverything));
  EXPECT_EQ(node(graph, "stem").signature.output, (Shape{4, 6, 6, 8}));
  EXPECT_EQ(node(graph, "stack").signature.output, (Shape{4, 6, 6, 40}));
  EXPECT_EQ(node(graph, "flat").signature.output, (Shape{4, 1, 1, 3 * 3 * 16}));
  EXPECT_EQ(graph.shape_of(graph.logits), (Shape{4, 1, 1, 5}));
  EXPECT_EQ(node(graph, "loss").op->type(), "softmax_cross_entropy");
  EXPECT_EQ(graph.loss, static_cast<int>(graph.nodes.size()) - 1);
}

TEST(Graph, CountsParametersAndMultiplyAdds) {
  const Graph graph = build(SmallNetwork::from_text(network_json(
      R"({"name": "conv", "op": "conv2d", "filters": 6, "kernel": 3, "bias": false},
         {"name": "bn", "op": "batch_normalization"},
         {"name": "gap", "op": "global_average_pool"},
         {"name": "classifier", "op": "dense", "units": 4})")));
  // Running statistics are no trainable parameters.
  EXPECT_EQ(graph.parameter_count(), 6 * 3 * 9 + 12 + 6 * 4 + 4);
  EXPECT_GE(graph.multiply_adds(), 2 * (8 * 8 * 6 * 27 + 24));
}

TEST(Graph, LeavesDropoutOutOfEvaluation) {
  const SmallNetwork network = SmallNetwork::from_text(kEverything);
  EXPECT_NO_THROW(node(build(network, true), "drop1"));
  const Graph evaluation = build(network, false);
  EXPECT_THROW(node(evaluation, "drop1"), std::runtime_error);
  EXPECT_EQ(node(evaluation, "classifier").signature.output.c, 5);
}

TEST(Graph, DropoutAtTheEndIsBypassed) {
  const SmallNetwork network = SmallNetwork::from_text(network_json(
      R"({"name": "gap", "op": "global_average_pool"}, {"name": "fc", "op": "dense", "units": 4},
         {"name": "drop", "op": "dropout", "rate": 0.5})"));
  const Graph graph = build(network, false);
  EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.logits)].name, "fc");
}

TEST(Graph, WithoutOneValuePerClassThereIsNoLoss) {
  const Graph graph = build(SmallNetwork::from_text(
      network_json(R"({"name": "conv", "op": "conv2d", "filters": 4, "kernel": 3})")));
  EXPECT_EQ(graph.loss, kGraphInput);
  EXPECT_EQ(graph.logits, 0);
}

TEST(Graph, ShapeErrorsNameBothNodesAndBothShapes) {
  const std::string text = error_of(
      R"({"name": "a", "op": "conv2d", "filters": 4, "kernel": 3},
         {"name": "b", "op": "conv2d", "input": "a", "filters": 4, "kernel": 3, "stride": 2},
         {"name": "c", "op": "concat", "inputs": ["a", "b"]})");
  for (const char* part : {"\"c\"", "\"a\"", "8x8x4", "\"b\"", "4x4x4", "test.json:3:"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
  }
}

TEST(Graph, ErrorsAtTheInputNameIt) {
  const std::string text =
      error_of(R"({"name": "a", "op": "conv2d", "filters": 4, "kernel": 9, "padding": "valid"})");
  EXPECT_NE(text.find("the network's input (8x8x3)"), std::string::npos) << text;
}

TEST(Graph, RefusesTensorsThatNoMachineHolds) {
  std::string nodes;
  for (int i = 0; i < 3; ++i) {
    nodes += fmt::format(R"({}{{"name": "c{}", "op": "conv2d", "filters": 65536, "kernel": 255}})",
                         i ? "," : "", i);
  }
  EXPECT_NE(error_of(nodes).find("2^40"), std::string::npos);
}

TEST(Passes, SplitsFeedEveryUserOnce) {
  const SmallNetwork network = SmallNetwork::from_text(kEverything);
  Graph graph = build(network);
  insert_splits(graph, network.registry);
  std::vector<int> uses(graph.nodes.size(), 0);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int input : graph.nodes[i].inputs) {
      ASSERT_LT(input, static_cast<int>(i)) << "inputs come first";
      if (input != kGraphInput) ++uses[static_cast<size_t>(input)];
    }
  }
  int splits = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].op->type() == "split") {
      ++splits;
      EXPECT_GT(uses[i], 1) << graph.nodes[i].name;
    } else {
      EXPECT_LE(uses[i], 1) << graph.nodes[i].name;
    }
  }
  EXPECT_EQ(splits, 2);  // drop1 and wide
  EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.logits)].name, "classifier");
  EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.loss)].name, "loss");
}

TEST(Passes, NoSplitWhereNoGradientIsNeeded) {
  const SmallNetwork network = SmallNetwork::from_text(network_json(
      R"({"name": "pool", "op": "max_pool", "kernel": 2, "stride": 2},
         {"name": "a", "op": "conv2d", "input": "pool", "filters": 3, "kernel": 1},
         {"name": "b", "op": "add", "inputs": ["pool", "a"]},
         {"name": "gap", "op": "global_average_pool"},
         {"name": "fc", "op": "dense", "units": 4})"));
  Graph graph = build(network);
  const size_t before = graph.nodes.size();
  insert_splits(graph, network.registry);
  EXPECT_EQ(graph.nodes.size(), before);
  EXPECT_FALSE(values_with_gradient(graph)[0]);
  EXPECT_TRUE(values_with_gradient(graph)[1]);
}

TEST(Passes, ActivationsBecomeAttributes) {
  const SmallNetwork network = SmallNetwork::from_text(kEverything);
  Graph graph = build(network);
  merge_activations(graph, network.context, network.registry);
  EXPECT_THROW(node(graph, "relu"), std::runtime_error);  // behind conv3x3
  EXPECT_NE(node(graph, "conv3x3").op->brief().find("relu"), std::string::npos);
  EXPECT_NO_THROW(node(graph, "silu"));  // behind a normalization
  EXPECT_EQ(node(graph, "sum").inputs[0] >= 0, true);
  EXPECT_EQ(graph.nodes[static_cast<size_t>(node(graph, "sum").inputs[0])].name, "conv3x3");
}

TEST(Passes, ALayerWithOtherUsersKeepsItsValues) {
  const SmallNetwork network = SmallNetwork::from_text(network_json(
      R"({"name": "a", "op": "conv2d", "filters": 3, "kernel": 1},
         {"name": "relu", "op": "activation", "function": "relu"},
         {"name": "b", "op": "add", "inputs": ["a", "relu"]})"));
  Graph graph = build(network);
  merge_activations(graph, network.context, network.registry);
  EXPECT_EQ(graph.nodes.size(), 3u);
}

/// The graph of nodes behind which there is a classifier, with stems where they can be.
Graph with_stems(std::string_view nodes, std::string_view image = "[16, 18, 1]") {
  const std::string all = std::string(nodes) + R"(, {"name": "gap", "op": "global_average_pool"},
                               {"name": "fc", "op": "dense", "units": 4})";
  const SmallNetwork network = SmallNetwork::from_text(network_json(all, image));
  Graph graph = build(network);
  merge_activations(graph, network.context, network.registry);
  fuse_stem(graph, network.context);
  return graph;
}

TEST(Passes, AConvolutionOfTheInputAndItsPoolBecomeAStem) {
  const Graph graph = with_stems(
      R"({"name": "conv", "op": "conv2d", "filters": 6, "kernel": 7, "stride": 2},
         {"name": "relu", "op": "activation", "function": "relu"},
         {"name": "pool", "op": "max_pool", "kernel": 3, "stride": 2},
         {"name": "a", "op": "conv2d", "input": "pool", "filters": 6, "kernel": 1},
         {"name": "sum", "op": "add", "inputs": ["a", "pool"]})");
  const Node& stem = node(graph, "conv");
  EXPECT_EQ(stem.op->type(), "stem");
  EXPECT_EQ(stem.op->brief(), "7x7/2, relu, max_pool 3x3/2");
  EXPECT_EQ(stem.inputs, std::vector<int>{kGraphInput});
  EXPECT_EQ(stem.signature.output, (Shape{2, 4, 5, 6}));
  ASSERT_EQ(stem.signature.parameters.size(), 2u);
  EXPECT_EQ(stem.signature.parameters[0].dims, (std::vector<int64_t>{6, 1, 7, 7}));
  EXPECT_EQ(stem.signature.multiply_adds, 2 * 8 * 9 * 6 * 49);
  EXPECT_THROW(node(graph, "pool"), std::runtime_error);
  EXPECT_EQ(node(graph, "a").inputs, std::vector<int>{0});
  EXPECT_EQ(node(graph, "sum").inputs, (std::vector<int>{1, 0}));
  EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.logits)].name, "fc");
  EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.loss)].name, "loss");
}

TEST(Passes, TwoConvolutionsOfTheInputAreTwoStems) {
  const Graph graph = with_stems(
      R"({"name": "a", "op": "conv2d", "filters": 6, "kernel": 3, "activation": "relu"},
         {"name": "b", "op": "conv2d", "input": "$input", "filters": 6, "kernel": 5,
          "activation": "relu"},
         {"name": "pool_b", "op": "max_pool", "kernel": 2, "stride": 2},
         {"name": "pool_a", "op": "max_pool", "input": "a", "kernel": 2, "stride": 2},
         {"name": "sum", "op": "add", "inputs": ["pool_a", "pool_b"]})");
  EXPECT_EQ(node(graph, "a").op->type(), "stem");
  EXPECT_EQ(node(graph, "b").op->type(), "stem");
  EXPECT_EQ(node(graph, "sum").inputs, (std::vector<int>{0, 1}));
}

TEST(Passes, OtherPatternsAreNoStem) {
  const auto untouched = [](std::string_view conv, std::string_view pool, std::string_view image) {
    const Graph graph =
        with_stems(fmt::format(R"({{"name": "conv", "op": "conv2d", {}}}, {{"name": "pool", {}}})",
                               conv, pool),
                   image);
    return node(graph, "conv").op->type() == "conv2d" && node(graph, "pool").inputs[0] == 0;
  };
  const char *conv = R"("filters": 6, "kernel": 3, "activation": "relu")",
             *pool = R"("op": "max_pool", "kernel": 3, "stride": 2)", *image = "[16, 18, 2]";
  EXPECT_FALSE(untouched(conv, pool, image));
  EXPECT_FALSE(untouched(conv, pool, "[16, 18, 4]"));
  EXPECT_TRUE(untouched(conv, pool, "[16, 18, 5]"));
  for (const char* more :
       {R"("groups": 2)", R"("dilation": 2)", R"("dilation": [1, 2])", R"("bias": false)"}) {
    EXPECT_TRUE(untouched(std::string(conv) + ", " + more, pool, image)) << more;
  }
  for (const char* other : {"none", "gelu", "silu", "tanh"}) {
    EXPECT_TRUE(untouched(fmt::format(R"("filters": 6, "kernel": 3, "activation": "{}")", other),
                          pool, image));
  }
  EXPECT_TRUE(untouched(conv, R"("op": "average_pool", "kernel": 3, "stride": 2)", image));
  EXPECT_TRUE(untouched(conv, R"("op": "global_average_pool")", image));
  EXPECT_FALSE(
      untouched(conv, R"("op": "max_pool", "kernel": [15, 17], "stride": 2)", "[20, 20, 2]"));
  EXPECT_TRUE(untouched(conv, R"("op": "max_pool", "kernel": 16, "stride": 2)", "[20, 20, 2]"));
  // The weights of 32 filters do not fit into shared memory.
  EXPECT_TRUE(
      untouched(R"("filters": 6, "kernel": 11, "activation": "relu")", pool, "[16, 18, 3]"));
  // Nor does the patch below a single pooled pixel.
  EXPECT_TRUE(untouched(R"("filters": 6, "kernel": 3, "stride": 40, "activation": "relu")", pool,
                        "[256, 256, 1]"));
}

TEST(Passes, AConvolutionWithAnotherUserOrElsewhereIsNoStem) {
  const Graph two_users = with_stems(
      R"({"name": "conv", "op": "conv2d", "filters": 6, "kernel": 3, "activation": "relu"},
         {"name": "pool", "op": "max_pool", "kernel": 3, "stride": 1},
         {"name": "sum", "op": "add", "inputs": ["conv", "pool"]})");
  EXPECT_EQ(node(two_users, "conv").op->type(), "conv2d");
  const Graph second = with_stems(
      R"({"name": "first", "op": "conv2d", "filters": 4, "kernel": 3, "activation": "relu"},
         {"name": "conv", "op": "conv2d", "filters": 6, "kernel": 3, "activation": "relu"},
         {"name": "pool", "op": "max_pool", "kernel": 3, "stride": 1})");
  EXPECT_EQ(node(second, "conv").op->type(), "conv2d");
}

TEST(Passes, UnknownNamesAreUsageErrors) {
  try {
    select_passes({"in_place", "concat_placment"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    const std::string text = error.what();
    EXPECT_NE(text.find("did you mean \"concat_placement\""), std::string::npos) << text;
    EXPECT_NE(text.find("memory_reuse"), std::string::npos) << text;
  }
  EXPECT_FALSE(select_passes({"in_place"}).in_place);
  EXPECT_TRUE(select_passes({"in_place"}).memory_reuse);
}

}  // namespace
}  // namespace engine::test
