#include <algorithm>

#include "engine/core/json.h"
#include "engine/graph/network_reader.h"

namespace engine {
namespace {

size_t count_values(const Value& value) {
  size_t count = 1;
  if (value.is(Value::Kind::array))
    for (const Value& element : value.array()) count += count_values(element);
  if (value.is(Value::Kind::object))
    for (const Member& member : value.object()) count += 1 + count_values(member.value);
  return count;
}

const Value* take_string(ReadKeys& reader, std::string_view key, std::string_view what) {
  const Value* value = reader.take(key);
  if (!value || value->is(Value::Kind::string)) return value;
  reader.expected(key, *value, what);
  return nullptr;
}

const Value* take_inputs(ReadKeys& reader) {
  const Value* one = take_string(reader, "input", "the name of a node");
  const Value* several = reader.take("inputs");
  if (!several) return one;
  if (one) reader.expected("inputs", *several, "\"input\" or \"inputs\", not both");
  const bool good = several->is(Value::Kind::array) && !several->array().empty() &&
                    std::all_of(several->array().begin(), several->array().end(),
                                [](const Value& v) { return v.is(Value::Kind::string); });
  if (good) return several;
  reader.expected("inputs", *several, "an array of names of nodes");
  return nullptr;
}

}  // namespace

NodeHead read_head(ReadKeys& reader, const Value& node, const std::string& path,
                   Problems& problems) {
  NodeHead head;
  if (count_values(node) > kLimits.node_values) {
    problems.add(node.origin, path,
                 fmt::format("expected a node of at most {} keys and values", kLimits.node_values));
    return head;
  }
  reader.take("name");  // check_names looks at it
  head.op = take_string(reader, "op", "the name of an op");
  head.block = take_string(reader, "block", "the name of a block");
  head.inputs = take_inputs(reader);
  const bool has_op = node.find("op"), has_block = node.find("block");
  if (has_op && has_block) {
    reader.expected("block", *node.find("block"), "\"op\" or \"block\", not both");
    head.block = nullptr;
  } else if (!has_op && !has_block) {
    if (!reader.report_misspelt({"op", "block"}))
      problems.add(node.origin, path, "expected a node with the key \"op\" or \"block\"");
  }
  return head;
}

std::vector<std::string_view> op_names(const Registry& registry) {
  std::vector<std::string_view> names;
  for (const OpEntry& entry : registry.ops)
    if (!entry.internal) names.push_back(entry.name);
  return names;
}

const OpEntry* find_op(const Value& op, const std::string& path, const Registry& registry,
                       Problems& problems) {
  const OpEntry* entry = registry.op(op.string());
  if (entry && !entry->internal) return entry;
  const std::vector<std::string_view> names = op_names(registry);
  problems.add(op.origin, path,
               fmt::format("expected one of {}, got {}{}", listed(names), got_text(op),
                           did_you_mean(op.string(), names)));
  return nullptr;
}

void check_names(const Array& nodes, const std::vector<std::string>& names, const std::string& path,
                 Problems& problems) {
  std::map<std::string_view, const Value*> seen;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Value* name = nodes[i].find("name");
    if (!name) continue;
    const std::string where = join_path(node_path(path, nodes[i], i), "name");
    if (!name->is(Value::Kind::string) || !is_name(name->string())) {
      problems.add(name->origin, where,
                   fmt::format("expected {}, got {}", name_text(), got_text(*name)));
    } else if (name->string() == "nodes" || name->string() == "blocks") {
      problems.add(name->origin, where, "expected another name: \"nodes\" and \"blocks\" are keys");
    } else if (const auto [first, is_new] = seen.emplace(names[i], name); !is_new) {
      problems.add(name->origin, where,
                   fmt::format("expected a name of its own, got {}, which the node in line {} has",
                               got_text(*name), first->second->origin.line));
    }
  }
}

std::string node_path(const std::string& list_path, const Value& node, size_t index) {
  const Value* name = node.find("name");
  if (name && name->is(Value::Kind::string) && is_name(name->string()))
    return join_path(list_path, name->string());
  return fmt::format("{}.nodes[{}]", list_path, index);
}

}  // namespace engine
