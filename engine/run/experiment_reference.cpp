#include "engine/core/keys_document.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

template <class Entry>
void add_kinds(std::string_view key, const std::vector<Entry>& entries, std::string& out) {
  for (const Entry& entry : entries)
    out += fmt::format("#### `\"{}\": \"{}\"`\n\n{}\n\n{}", key, entry.name, entry.doc,
                       key_table(describe(*entry.make())));
}

std::vector<OpEntry> public_ops(const Registry& registry) {
  std::vector<OpEntry> ops;
  for (const OpEntry& entry : registry.ops)
    if (!entry.internal) ops.push_back(entry);
  return ops;
}

std::string limits_table() {
  std::string out = "| limit | at most |\n|---|---|\n";
  const auto row = [&](std::string_view what, size_t limit) {
    out += fmt::format("| {} | {} |\n", what, limit);
  };
  row("bytes of a file", kLimits.file_bytes);
  row("bytes of all files that `extends` leads to", kLimits.merged_bytes);
  row("levels of `extends`", kLimits.extends_levels);
  row("levels of brackets", kLimits.depth);
  row("values in a file", kLimits.values);
  row("bytes of a string", kLimits.string_bytes);
  row("characters of a name", kLimits.name_bytes);
  row("preprocessing stages", kLimits.stages);
  row("nodes after expanding blocks", kLimits.nodes);
  row("keys and values of a node", kLimits.node_values);
  row("levels of blocks in blocks", kLimits.block_levels);
  return out;
}

}  // namespace

std::string experiment_reference(const Registry& registry) {
  std::string out = "## Keys\n\n";
  add_key_tables("", describe_experiment(), out);
  out +=
      "### `preprocess`\n\nAn array of stages. Each has `op`, and `name` (the op's when absent; "
      "unique).\n\n";
  add_kinds("op", registry.stages, out);
  out +=
      "### `network`\n\n`nodes` is an array of nodes; `blocks` holds blocks by name, each with "
      "`parameters` (names) and `nodes`.\n\n"
      "| key of a node | meaning |\n|---|---|\n"
      "| `name` | the op's or block's name when absent, with `_2`, `_3` when that is taken |\n"
      "| `op` | what the node computes |\n"
      "| `block` | instead of `op`: the block that stands here; its parameters are keys too |\n"
      "| `input` | the node that is read; the one before when absent |\n"
      "| `inputs` | the nodes that are read, where an op or block takes several |\n\n";
  add_kinds("op", public_ops(registry), out);
  out += "### `train.optimizer`\n\n`type` chooses the optimizer; `adam` when absent.\n\n";
  add_kinds("type", registry.optimizers, out);
  out += "## Limits\n\n" + limits_table();
  return out;
}

}  // namespace engine
