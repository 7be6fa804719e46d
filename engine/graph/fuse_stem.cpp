// The pass fuse_stem.

#include "engine/graph/passes.h"

namespace engine {
namespace {

constexpr int kNone = -1, kSeveral = -2;

/// The only user of each value, or one of the above.
std::vector<int> only_users(const Graph& graph) {
  std::vector<int> users(graph.nodes.size(), kNone);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int input : graph.nodes[i].inputs) {
      if (input == kGraphInput) continue;
      int& user = users[static_cast<size_t>(input)];
      user = user == kNone ? static_cast<int>(i) : kSeveral;
    }
  }
  return users;
}

/// The node with its only user in it, if it sees the network's input and the ops can do that.
bool fuse(const Graph& graph, Node& node, int user, const InferContext& context) {
  if (user < 0 || node.inputs != std::vector<int>{kGraphInput}) return false;
  const Op& behind = *graph.nodes[static_cast<size_t>(user)].op;
  const std::shared_ptr<const Op> fused = node.op->fused_with(behind, graph.input);
  if (!fused) return false;
  node.op = fused;
  node.signature = fused->infer(std::span(&graph.input, 1), context);
  return true;
}

}  // namespace

void fuse_stem(Graph& graph, const InferContext& context) {
  const std::vector<int> users = only_users(graph);
  std::vector<int> moved(graph.nodes.size(), kNone);  // old index -> new
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (moved[i] != kNone) continue;  // it is part of the node before it
    Node node = graph.nodes[i];
    for (int& input : node.inputs) {
      if (input != kGraphInput) input = moved[static_cast<size_t>(input)];
    }
    moved[i] = static_cast<int>(kept.size());
    if (fuse(graph, node, users[i], context)) moved[static_cast<size_t>(users[i])] = moved[i];
    kept.push_back(std::move(node));
  }
  graph.nodes = std::move(kept);
  const auto follow = [&](int& value) {
    if (value != kGraphInput) value = moved[static_cast<size_t>(value)];
  };
  follow(graph.logits);
  follow(graph.loss);
}

}  // namespace engine
