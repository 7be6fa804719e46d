#include "engine/graph/passes.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/problems.h"
#include "engine/graph/make_op.h"

namespace engine {
namespace {

constexpr PassInfo kPasses[] = {
    {"merge_activation", "An activation behind conv2d or dense becomes that node's attribute."},
    {"fuse_stem", "On a GPU, the first convolution with its ReLU and max pool are one op."},
    {"fuse_head",
     "On a GPU, pool, dropouts, mean, dense layer and loss at the end are two passes."},
    {"join_branches", "On a GPU, gradients around concats, fan-outs and max pools are one pass."},
    {"concat_placement", "Nodes write straight into their slice of a concat's output."},
    {"side_streams", "On a GPU, independent branches run side by side."},
    {"in_place", "An output takes its input's memory where nothing reads that any more."},
    {"memory_reuse", "Values that live at different times share memory."},
};
constexpr bool PassSwitches::*kSwitches[] = {
    &PassSwitches::merge_activation, &PassSwitches::fuse_stem,        &PassSwitches::fuse_head,
    &PassSwitches::join_branches,    &PassSwitches::concat_placement, &PassSwitches::side_streams,
    &PassSwitches::in_place,         &PassSwitches::memory_reuse};
static_assert(std::size(kPasses) == std::size(kSwitches));

/// The op with its activation, or null when it takes none or has one already.
std::shared_ptr<Op> with_activation(const Op& op, const Op& activation, const Registry& registry) {
  Object attributes = attributes_of(op);
  Object wanted = attributes_of(activation);
  const auto named = [](Object& object, std::string_view key) -> Value* {
    for (Member& member : object) {
      if (member.key == key) return &member.value;
    }
    return nullptr;
  };
  Value* slot = named(attributes, "activation");
  Value* function = named(wanted, "function");
  if (!slot || !function || !slot->is(Value::Kind::string) || slot->string() != "none") {
    return nullptr;
  }
  *slot = *function;
  return make_op(registry, op.type(), std::move(attributes));
}

}  // namespace

std::span<const PassInfo> known_passes() {
  return kPasses;
}

PassSwitches select_passes(const std::vector<std::string>& without) {
  PassSwitches switches;
  for (const std::string& name : without) {
    const auto* found = std::find_if(std::begin(kPasses), std::end(kPasses),
                                     [&](const PassInfo& pass) { return pass.name == name; });
    if (found == std::end(kPasses)) {
      std::vector<std::string_view> names;
      for (const PassInfo& pass : kPasses) names.push_back(pass.name);
      fail(ExitCode::usage, "there is no pass \"{}\"{}; the passes are {}", name,
           did_you_mean(name, names), listed(names));
    }
    switches.*kSwitches[found - kPasses] = false;
  }
  return switches;
}

std::vector<int> count_uses(const Graph& graph) {
  std::vector<int> uses(graph.nodes.size(), 0);
  for (const Node& node : graph.nodes) {
    for (const int input : node.inputs) {
      if (input != kGraphInput) ++uses[static_cast<size_t>(input)];
    }
  }
  return uses;
}

void merge_activations(Graph& graph, const InferContext& context, const Registry& registry) {
  const std::vector<int> uses = count_uses(graph);
  std::vector<int> moved(graph.nodes.size());  // old index -> new
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    const int before = node.inputs[0];
    if (node.op->type() == "activation" && before != kGraphInput &&
        uses[static_cast<size_t>(before)] == 1) {
      Node& layer = kept[static_cast<size_t>(moved[static_cast<size_t>(before)])];
      if (auto merged = with_activation(*layer.op, *node.op, registry)) {
        layer.op = std::move(merged);
        moved[i] = moved[static_cast<size_t>(before)];
        continue;
      }
    }
    for (int& input : node.inputs) {
      if (input != kGraphInput) input = moved[static_cast<size_t>(input)];
    }
    moved[i] = static_cast<int>(kept.size());
    kept.push_back(std::move(node));
  }
  graph.nodes = std::move(kept);
  const auto follow = [&](int& value) {
    if (value != kGraphInput) value = moved[static_cast<size_t>(value)];
  };
  follow(graph.logits);
  follow(graph.loss);
  // What a layer needs may depend on its activation: its signature is inferred anew.
  for (Node& node : graph.nodes) {
    std::vector<Shape> shapes;
    for (const int input : node.inputs) shapes.push_back(graph.shape_of(input));
    node.signature = node.op->infer(shapes, context);
  }
}

std::vector<bool> values_with_gradient(const Graph& graph) {
  std::vector<bool> needed(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    needed[i] = std::any_of(node.signature.parameters.begin(), node.signature.parameters.end(),
                            [](const ParameterSpec& parameter) { return parameter.trainable; }) ||
                std::any_of(node.inputs.begin(), node.inputs.end(), [&](int input) {
                  return input != kGraphInput && needed[static_cast<size_t>(input)];
                });
  }
  return needed;
}

void insert_splits(Graph& graph, const Registry& registry) {
  const std::vector<int> uses = count_uses(graph);
  const std::vector<bool> gradient = values_with_gradient(graph);
  std::vector<int> moved(graph.nodes.size());  // old value -> the value that users see now
  std::vector<int> itself(graph.nodes.size());
  std::vector<Node> nodes;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    for (int& input : node.inputs) {
      if (input != kGraphInput) input = moved[static_cast<size_t>(input)];
    }
    itself[i] = moved[i] = static_cast<int>(nodes.size());
    nodes.push_back(std::move(node));
    if (uses[i] < 2 || !gradient[i]) continue;
    Object attributes;
    attributes.push_back({.key = "copies", .value = Value(int64_t{uses[i]})});
    Node split{.name = nodes.back().name + ".split",
               .block = nodes.back().block,
               .op = make_op(registry, "split", std::move(attributes)),
               .inputs = {itself[i]}};
    split.signature.output = nodes.back().signature.output;
    moved[i] = static_cast<int>(nodes.size());
    nodes.push_back(std::move(split));
  }
  graph.nodes = std::move(nodes);
  if (graph.logits != kGraphInput) graph.logits = itself[static_cast<size_t>(graph.logits)];
  if (graph.loss != kGraphInput) graph.loss = itself[static_cast<size_t>(graph.loss)];
}

}  // namespace engine
