// The pass join_branches.

#include <algorithm>

#include "engine/graph/make_op.h"
#include "engine/graph/passes.h"

namespace engine {
namespace {

constexpr size_t kMostInputs = 8, kMostUsers = 8, kMostPools = 2;  // kernels/fused/junction.h
constexpr int64_t kMostPlaces = 256;                               // a pool's winner is a byte

/// What becomes one junction.
struct Branches {
  int source = 0;   ///< the value that branches
  int concat = -1;  ///< it, where it is one
  int split = -1;
  std::vector<int> inputs, users;
  std::vector<bool> slopes;  ///< of each input: its ReLU and bias are the junction's work
  std::vector<bool> pools;   ///< of each user
};

class Joiner {
 public:
  Joiner(Graph& graph, const Registry& registry)
      : graph_(graph), registry_(registry), users_(graph.nodes.size()) {
    gradient_ = values_with_gradient(graph);
    for (int i = 0; i < count(); ++i) {
      for (const int input : node(i).inputs) {
        if (input != kGraphInput) users_[static_cast<size_t>(input)].push_back(i);
      }
    }
  }

  void run() {
    std::vector<std::vector<Branches>> after(graph_.nodes.size());
    std::vector<bool> gone(graph_.nodes.size(), false);
    for (int i = 0; i < count(); ++i) {
      Branches branches = branches_at(i);
      if (!pays(branches)) continue;
      for (const int node : {branches.concat, branches.split}) {
        if (node >= 0) gone[static_cast<size_t>(node)] = true;
      }
      after[static_cast<size_t>(std::max(branches.source, branches.split))].push_back(branches);
    }
    rebuild(after, gone);
  }

 private:
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  Node& node(int i) { return graph_.nodes[static_cast<size_t>(i)]; }
  const std::vector<int>& users(int i) const { return users_[static_cast<size_t>(i)]; }
  bool is(int i, std::string_view type) { return node(i).op->type() == type; }

  bool pools(int i) { return is(i, "max_pool") || is(i, "pooled_mean"); }
  bool can_absorb(int i) {
    if (!pools(i) || users(i).size() != 1) return false;
    const Object attributes = attributes_of(*node(i).op);
    const auto kernel = std::find_if(attributes.begin(), attributes.end(),
                                     [](const Member& member) { return member.key == "kernel"; });
    if (kernel->value.is(Value::Kind::integer)) {
      return kernel->value.integer() * kernel->value.integer() <= kMostPlaces;
    }
    const Array& pair = kernel->value.array();
    return pair[0].integer() * pair[1].integer() <= kMostPlaces;
  }

  /// What branches at value i, if anything does.
  Branches branches_at(int i) {
    Branches found{.source = i};
    const bool made_by_split = is(i, "split");
    const bool lone = users(i).size() == 1;
    if (!gradient_[static_cast<size_t>(i)] || made_by_split || !lone) return found;
    const int user = users(i)[0];
    if (is(user, "split")) {
      found.split = user;
      found.users = users(user);
    } else if (pools(user) || is(i, "concat")) {
      found.users = {user};
    }
    if (is(i, "concat")) found.concat = i;
    found.inputs = is(i, "concat") ? node(i).inputs : std::vector<int>{i};
    for (const int input : found.inputs) {
      const bool reads_gradient = input != kGraphInput && gradient_[static_cast<size_t>(input)];
      if (!reads_gradient || users(input).size() != 1) return Branches{};
      found.slopes.push_back(node(input).op->with_outer_gradient() != nullptr);
    }
    for (const int each : found.users) found.pools.push_back(can_absorb(each));
    return found;
  }

  static bool pays(const Branches& found) {
    const auto many = [](const std::vector<bool>& flags) {
      return static_cast<size_t>(std::count(flags.begin(), flags.end(), true));
    };
    const bool fits = !found.users.empty() && found.users.size() <= kMostUsers &&
                      found.inputs.size() <= kMostInputs && many(found.pools) <= kMostPools;
    return fits && (many(found.pools) > 0 || found.inputs.size() > 1 ||
                    (found.split >= 0 && many(found.slopes) > 0));
  }

  Node junction(const Branches& branches, const std::vector<int>& moved) {
    Object attributes;
    int64_t relu = 0;
    Node made{.name = node(branches.source).name, .block = node(branches.source).block};
    if (branches.concat < 0) made.name += ".junction";
    for (size_t k = 0; k < branches.inputs.size(); ++k) {
      const int input = branches.inputs[k];
      made.inputs.push_back(moved[static_cast<size_t>(input)]);
      made.lent.push_back(branches.slopes[k] ? node(input).name + ".bias" : "");
      relu |= int64_t{branches.slopes[k]} << k;
    }
    attributes.push_back({"inputs", Value(static_cast<int64_t>(branches.inputs.size()))});
    attributes.push_back({"users", Value(static_cast<int64_t>(branches.users.size()))});
    attributes.push_back({"relu", Value(relu)});
    made.op = make_op(registry_, "junction", std::move(attributes));
    made.signature.output = node(branches.source).signature.output;
    return made;
  }

  /// Old nodes in their order without those that are gone, each junction behind its value.
  void rebuild(const std::vector<std::vector<Branches>>& after, const std::vector<bool>& gone) {
    std::vector<int> moved(graph_.nodes.size());   // old value -> what its users see now
    std::vector<int> itself(graph_.nodes.size());  // old node -> new index
    std::vector<Node> nodes;
    std::vector<std::pair<int, Branches>> made;
    for (int i = 0; i < count(); ++i) {
      const auto at = static_cast<size_t>(i);
      if (!gone[at]) {
        itself[at] = moved[at] = static_cast<int>(nodes.size());
        nodes.push_back(node(i));
        for (int& input : nodes.back().inputs) {
          if (input != kGraphInput) input = moved[static_cast<size_t>(input)];
        }
      }
      for (const Branches& branches : after[at]) {
        const int index = static_cast<int>(nodes.size());
        nodes.push_back(junction(branches, moved));
        made.emplace_back(index, branches);
        for (const int old : {branches.source, branches.split}) {
          if (old >= 0) moved[static_cast<size_t>(old)] = index;
        }
      }
    }
    for (const auto& [index, branches] : made) {
      for (size_t k = 0; k < branches.inputs.size(); ++k) {
        if (!branches.slopes[k]) continue;
        Node& input = nodes[static_cast<size_t>(itself[static_cast<size_t>(branches.inputs[k])])];
        input.op = input.op->with_outer_gradient();
      }
      for (size_t u = 0; u < branches.users.size(); ++u) {
        const int user = itself[static_cast<size_t>(branches.users[u])];
        nodes[static_cast<size_t>(index)].absorbed.push_back(branches.pools[u] ? user : -1);
      }
    }
    const auto follow = [&](int& value) {
      if (value != kGraphInput) value = itself[static_cast<size_t>(value)];
    };
    follow(graph_.logits);
    follow(graph_.loss);
    graph_.nodes = std::move(nodes);
  }

  Graph& graph_;
  const Registry& registry_;
  std::vector<std::vector<int>> users_;
  std::vector<bool> gradient_;
};

}  // namespace

void join_branches(Graph& graph, const Registry& registry) {
  Joiner(graph, registry).run();
}

}  // namespace engine
