#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/op.h"
#include "engine/graph/network.h"

namespace engine {

/// A node with its place in the graph. Its output is identified by its index.
struct Node {
  std::string name;
  std::string block;
  std::shared_ptr<const Op> op;
  std::vector<int> inputs;  ///< node indices; kGraphInput is the network's input
  /// Of a node that sums gradients, for each of its users in order: the node whose backward it does
  /// too, or -1. Empty: none.
  std::vector<int> absorbed;
  /// Parameters of its inputs whose gradients its backward writes: one for each input, or empty.
  std::vector<std::string> lent;
  Signature signature;  ///< for the graph's batch
};

inline constexpr int kGraphInput = -1;

/// Nodes in an order in which inputs come first. Shapes have the graph's batch size.
struct Graph {
  Shape input;
  std::vector<Node> nodes;
  int logits = kGraphInput;  ///< the node whose output is the network's
  int loss = kGraphInput;  ///< softmax_cross_entropy, when the network ends in one value per class

  const Shape& shape_of(int value) const {
    return value == kGraphInput ? input : nodes[static_cast<size_t>(value)].signature.output;
  }
  int64_t parameter_count() const;  ///< trainable
  int64_t multiply_adds() const;
};

struct GraphOptions {
  int64_t batch = 1;
  bool training = false;  ///< false: dropout is left out
  double label_smoothing = 0;
};

/// Infers shapes, appends the loss. Throws Error (experiment) that names the node, the nodes before
/// it and both shapes when they do not fit.
Graph build_graph(const NetworkSpec& network, Shape image, const InferContext& context,
                  const Registry& registry, const GraphOptions& options);

}  // namespace engine
