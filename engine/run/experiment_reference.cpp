#include "engine/core/json.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

/// Text inside a table's cell.
std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string value_text(const KeyDescription& key) {
  if (!key.definition.empty()) return "see below";
  if (!key.members.empty()) return "an object, see below";
  return schema_text(key.schema);
}

std::string default_text(const KeyDescription& key) {
  if (key.required) return "required";
  if (key.default_value.is(Value::Kind::null)) return "";
  const bool empty =
      key.default_value.is(Value::Kind::string) && key.default_value.string().empty();
  return empty ? "" : "`" + to_json(key.default_value, -1) + "`";
}

std::string table(const std::vector<KeyDescription>& keys) {
  if (keys.empty()) return "No keys of its own.\n\n";
  std::string out = "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const KeyDescription& key : keys)
    out += fmt::format("| `{}` | {} | {} | {} |\n", key.key, cell(value_text(key)),
                       cell(default_text(key)), cell(key.doc));
  return out + "\n";
}

/// A table, and one for each object inside it.
void add_section(const std::string& path, const std::vector<KeyDescription>& keys,
                 std::string& out) {
  out += table(keys);
  for (const KeyDescription& key : keys) {
    if (key.members.empty()) continue;
    const std::string inner = join_path(path, key.key);
    out += fmt::format("### `{}`\n\n{}\n\n", inner, key.doc);
    add_section(inner, key.members, out);
  }
}

template <class Entry>
void add_kinds(std::string_view key, const std::vector<Entry>& entries, std::string& out) {
  for (const Entry& entry : entries)
    out += fmt::format("#### `\"{}\": \"{}\"`\n\n{}\n\n{}", key, entry.name, entry.doc,
                       table(describe(*entry.make())));
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
  add_section("", describe_experiment(), out);
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
