#pragma once

// Passes rewrite a graph, or the way its values lie in memory, without changing what it computes.
// Each has a name by which it can be switched off.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/registry.h"
#include "engine/graph/graph.h"

namespace engine {

struct PassInfo {
  std::string_view name;
  std::string_view doc;
};
/// All passes, in the order in which they run.
std::span<const PassInfo> known_passes();

/// Which passes run.
struct PassSwitches {
  bool merge_activation = true;
  bool fuse_head = true;
  bool fuse_stem = true;
  bool join_branches = true;
  bool concat_placement = true;
  bool side_streams = true;
  bool in_place = true;
  bool memory_reuse = true;
};
/// All but those named. Throws Error (usage) that lists the known passes for an unknown name.
PassSwitches select_passes(const std::vector<std::string>& without);

/// An activation node that is the only user of a convolution or dense layer without activation
/// becomes that layer's attribute, so that its output passes through memory once less.
void merge_activations(Graph& graph, const InferContext& context, const Registry& registry);

/// How many inputs each node's output is.
std::vector<int> count_uses(const Graph& graph);

/// Only for devices that have the ops pooled_mean and dense_loss, before insert_splits: max_pool,
/// dropout and global_average_pool become one node, in training dropout, dense and the loss another
/// (kernels/fused). They keep the names of global_average_pool and dense.
void fuse_head(Graph& graph, const InferContext& context, const Registry& registry, bool training);
/// Only for devices that have the op stem, before insert_splits: a node that sees the network's
/// input, and its only user, become one node where the two ops can (Op::fused_with). It keeps the
/// first one's name, by which files know its parameters.
void fuse_stem(Graph& graph, const InferContext& context);

/// Whether the gradient of each value is needed: some trainable parameter lies upstream. Index i is
/// node i's output; the network's input needs none.
std::vector<bool> values_with_gradient(const Graph& graph);

/// Not a pass that can be switched off: each value that needs a gradient and has several users gets
/// a split node behind it, whose backward sums what comes back. Afterwards a value that needs a
/// gradient has one user, unless a split makes it.
void insert_splits(Graph& graph, const Registry& registry);

/// Only for devices that have the op junction, behind insert_splits: a split, a concat before it,
/// the max pools behind it and the ends of the convolutions before it become one node, whose
/// backward is one pass over memory (kernels/fused/junction.h).
void join_branches(Graph& graph, const Registry& registry);

}  // namespace engine
