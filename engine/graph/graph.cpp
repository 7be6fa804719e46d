#include "engine/graph/graph.h"

#include <algorithm>
#include <unordered_map>

#include "engine/core/error.h"
#include "engine/graph/make_op.h"

namespace engine {
namespace {

// More elements than any device holds; below it no product of a shape overflows.
constexpr double kMostElements = double{1LL << 40};

double elements_of(std::span<const int64_t> dims) {
  double product = 1;
  for (const int64_t dim : dims) product *= static_cast<double>(dim);
  return product;
}

std::string place_of(const NodeSpec& spec) {
  return spec.origin.line > 0 ? to_string(spec.origin) + ": " : std::string();
}

std::string node_text(const NodeSpec& spec) {
  return fmt::format("{}node \"{}\" ({})", place_of(spec), spec.name, spec.op->type());
}

/// The graph while it grows: names of the file -> values.
class Builder {
 public:
  Builder(Graph& graph, const InferContext& context, bool training)
      : graph_(graph), context_(context), training_(training) {
    values_.emplace("", kGraphInput);
  }

  void add(const NodeSpec& spec) {
    Node node{.name = spec.name, .block = spec.block, .op = spec.op};
    std::vector<Shape> shapes;
    for (const std::string& input : spec.inputs) {
      const auto found = values_.find(input);
      if (found == values_.end()) {
        fail(ExitCode::experiment, "{}: its input \"{}\" is not a node before it", node_text(spec),
             input);
      }
      node.inputs.push_back(found->second);
      shapes.push_back(graph_.shape_of(found->second));
    }
    check_arity(spec);
    node.signature = infer(spec, shapes);
    last_ = &spec;
    if (!training_ && spec.op->identity_in_evaluation()) {
      values_[spec.name] = node.inputs[0];
      return;
    }
    graph_.nodes.push_back(std::move(node));
    if (!values_.emplace(spec.name, static_cast<int>(graph_.nodes.size()) - 1).second) {
      fail(ExitCode::experiment, "{}: another node has this name", node_text(spec));
    }
  }

  int last() const { return values_.at(last_->name); }

 private:
  void check_arity(const NodeSpec& spec) const {
    const auto [least, most] = spec.op->arity();
    if (spec.inputs.size() >= least && spec.inputs.size() <= most) return;
    fail(ExitCode::experiment, "{}: expected {} input{}, got {}", node_text(spec),
         least == most ? std::to_string(least) : fmt::format("{} to {}", least, most),
         most == 1 ? "" : "s", spec.inputs.size());
  }

  Signature infer(const NodeSpec& spec, std::span<const Shape> shapes) const {
    Signature signature;
    try {
      signature = spec.op->infer(shapes, context_);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}; {}", node_text(spec), error.what(),
                                            inputs_text(spec, shapes)));
    }
    const Shape& output = signature.output;
    bool fits = elements_of(std::array{output.n, output.h, output.w, output.c}) < kMostElements;
    for (const ParameterSpec& parameter : signature.parameters) {
      fits = fits && elements_of(parameter.dims) < kMostElements;
    }
    if (!fits) {
      fail(ExitCode::experiment, "{}: its output {} or a parameter has more than 2^40 values; {}",
           node_text(spec), to_string(output), inputs_text(spec, shapes));
    }
    return signature;
  }

  static std::string inputs_text(const NodeSpec& spec, std::span<const Shape> shapes) {
    std::string text = spec.inputs.size() == 1 ? "its input is " : "its inputs are ";
    for (size_t i = 0; i < spec.inputs.size(); ++i) {
      if (i > 0) text += ", ";
      text += spec.inputs[i].empty() ? "the network's input" : '"' + spec.inputs[i] + '"';
      text += " (" + to_string(shapes[i]) + ')';
    }
    return text;
  }

  Graph& graph_;
  const InferContext& context_;
  const bool training_;
  std::unordered_map<std::string, int> values_;
  const NodeSpec* last_ = nullptr;
};

void refuse_unused(const NetworkSpec& network) {
  std::unordered_map<std::string_view, bool> used;
  for (const NodeSpec& spec : network.nodes) {
    for (const std::string& input : spec.inputs) used[input] = true;
  }
  for (const NodeSpec& spec : network.nodes) {
    if (!used[spec.name] && &spec != &network.nodes.back()) {
      fail(ExitCode::experiment, "{}: nothing uses its output; only the last node may be unused",
           node_text(spec));
    }
  }
}

void append_loss(Graph& graph, const InferContext& context, const Registry& registry,
                 double label_smoothing) {
  Object attributes;
  attributes.push_back({.key = "label_smoothing", .value = Value(label_smoothing)});
  Node node{.name = "loss",
            .op = make_op(registry, "softmax_cross_entropy", std::move(attributes))};
  node.inputs = {graph.logits};
  const Shape shape = graph.shape_of(graph.logits);
  node.signature = node.op->infer(std::span(&shape, 1), context);
  graph.loss = static_cast<int>(graph.nodes.size());
  graph.nodes.push_back(std::move(node));
}

}  // namespace

int64_t Graph::parameter_count() const {
  int64_t count = 0;
  for (const Node& node : nodes) {
    for (const ParameterSpec& parameter : node.signature.parameters) {
      if (parameter.trainable) count += parameter.elements();
    }
  }
  return count;
}

int64_t Graph::multiply_adds() const {
  int64_t sum = 0;
  for (const Node& node : nodes) sum += node.signature.multiply_adds;
  return sum;
}

Graph build_graph(const NetworkSpec& network, Shape image, const InferContext& context,
                  const Registry& registry, const GraphOptions& options) {
  if (network.nodes.empty()) fail(ExitCode::experiment, "the network has no nodes");
  refuse_unused(network);
  Graph graph{.input = image.with_batch(options.batch)};
  if (elements_of(std::array{options.batch, image.h, image.w, image.c}) >= kMostElements) {
    fail(ExitCode::experiment, "a batch of {} images of {} has more than 2^40 values",
         options.batch, to_string(image));
  }
  Builder builder(graph, context, options.training);
  for (const NodeSpec& spec : network.nodes) builder.add(spec);
  if (graph.nodes.empty()) {
    fail(ExitCode::experiment, "every node of the network is left out in evaluation");
  }
  graph.logits = builder.last();
  const Shape& output = graph.shape_of(graph.logits);
  if (context.classes > 0 && output == Shape{output.n, 1, 1, context.classes}) {
    append_loss(graph, context, registry, options.label_smoothing);
  }
  return graph;
}

}  // namespace engine
