// The pass fuse_head.

#include <algorithm>

#include "engine/core/error.h"
#include "engine/graph/make_op.h"
#include "engine/graph/passes.h"

namespace engine {
namespace {

void add_members(Object& to, const Object& from) {
  to.insert(to.end(), from.begin(), from.end());
}

class HeadFuser {
 public:
  HeadFuser(Graph& graph, const InferContext& context, const Registry& registry)
      : graph_(graph), context_(context), registry_(registry), gone_(graph.nodes.size(), false) {
    uses_ = count_uses(graph);
  }

  /// max_pool -> dropout or nothing -> global_average_pool.
  void fuse_means() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is(static_cast<int>(i), "global_average_pool")) continue;
      const int before = graph_.nodes[i].inputs[0];
      const int dropout = lone(before, "dropout") ? before : kGraphInput;
      const int pool = dropout == kGraphInput ? before : node(dropout).inputs[0];
      if (!lone(pool, "max_pool")) continue;
      Object attributes = attributes_of(*node(pool).op);
      add_dropout(attributes, dropout);
      replace(static_cast<int>(i), "pooled_mean", std::move(attributes), {pool, dropout});
    }
  }

  /// dropout or nothing -> dense -> the loss. What was dense is the network's output still, and the
  /// loss too.
  void fuse_loss() {
    if (graph_.loss == kGraphInput) return;
    const int dense = node(graph_.loss).inputs[0];
    if (!lone(dense, "dense")) return;
    const int before = node(dense).inputs[0];
    const int dropout = lone(before, "dropout") ? before : kGraphInput;
    Object attributes = attributes_of(*node(dense).op);
    add_members(attributes, attributes_of(*node(graph_.loss).op));
    add_dropout(attributes, dropout);
    const int loss = graph_.loss;
    if (!replace(dense, "dense_loss", std::move(attributes), {dropout})) return;
    gone_[static_cast<size_t>(loss)] = true;
    graph_.loss = graph_.logits = dense;
  }

  void remove_gone() {
    std::vector<int> moved(graph_.nodes.size(), kGraphInput);
    std::vector<Node> kept;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (gone_[i]) continue;
      moved[i] = static_cast<int>(kept.size());
      kept.push_back(std::move(graph_.nodes[i]));
      for (int& input : kept.back().inputs) follow(moved, input);
    }
    follow(moved, graph_.logits);
    follow(moved, graph_.loss);
    graph_.nodes = std::move(kept);
  }

 private:
  Node& node(int i) { return graph_.nodes[static_cast<size_t>(i)]; }
  bool is(int i, std::string_view type) { return i != kGraphInput && node(i).op->type() == type; }
  /// Of that type, and with one user.
  bool lone(int i, std::string_view type) {
    return is(i, type) && uses_[static_cast<size_t>(i)] == 1;
  }
  static void follow(const std::vector<int>& moved, int& value) {
    if (value != kGraphInput) value = moved[static_cast<size_t>(value)];
  }

  void add_dropout(Object& attributes, int dropout) {
    if (dropout == kGraphInput) return;
    add_members(attributes, attributes_of(*node(dropout).op));
    attributes.push_back({"dropout", Value(node(dropout).name)});
  }

  /// Node i becomes the op and takes the input of the first of before, which go. False, and nothing
  /// changed, where the op cannot do these shapes.
  bool replace(int i, std::string_view type, Object attributes, std::vector<int> before) {
    std::erase(before, kGraphInput);
    const int input = node(before.empty() ? i : before[0]).inputs[0];
    std::shared_ptr<Op> op = make_op(registry_, type, std::move(attributes));
    const std::vector<Shape> shapes{graph_.shape_of(input)};
    try {
      node(i).signature = op->infer(shapes, context_);
    } catch (const Error& error) {
      if (error.code() != ExitCode::experiment) throw;
      return false;
    }
    node(i).op = std::move(op);
    node(i).inputs = {input};
    for (const int each : before) gone_[static_cast<size_t>(each)] = true;
    return true;
  }

  Graph& graph_;
  const InferContext& context_;
  const Registry& registry_;
  std::vector<int> uses_;
  std::vector<bool> gone_;
};

}  // namespace

void fuse_head(Graph& graph, const InferContext& context, const Registry& registry, bool training) {
  HeadFuser fuser(graph, context, registry);
  fuser.fuse_means();
  if (training) fuser.fuse_loss();
  fuser.remove_gone();
}

}  // namespace engine
