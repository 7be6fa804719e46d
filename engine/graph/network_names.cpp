#include <algorithm>
#include <set>

#include "engine/core/json.h"
#include "engine/graph/network_reader.h"

namespace engine {
namespace {

const std::string* string_member(const Value& node, std::string_view key) {
  const Value* value = node.find(key);
  return value && value->is(Value::Kind::string) ? &value->string() : nullptr;
}

/// An attribute object with everything that the file left to defaults; references stay as written.
Value resolve_node(const Value& node, const std::string& name, const Registry& registry) {
  if (!node.is(Value::Kind::object)) return node;
  Value resolved = Object{};
  resolved.origin = node.origin;
  if (!node.find("name")) {
    Value given = name;
    given.origin = {"default", 0, 0};
    resolved.set("name", std::move(given));
  }
  const std::string* type = string_member(node, "op");
  const OpEntry* entry = type ? registry.op(*type) : nullptr;
  Value attributes = Object{};
  if (entry) {
    const std::unique_ptr<Op> op = entry->make();
    Problems ignored;  // read_network reports them
    ReadKeys reader(node, {}, ignored);
    for (const Member& member : node.object())
      if (holds_reference(member.value)) reader.leave_out(member.key);
    op->keys(reader);
    WriteKeys writer(node);
    op->keys(writer);
    attributes = std::move(writer.result);
  }
  for (const Member& member : node.object()) {
    const Value* canonical = holds_reference(member.value) ? nullptr : attributes.find(member.key);
    resolved.set(member.key, canonical ? *canonical : member.value);
  }
  for (const Member& member : attributes.object())
    if (!resolved.find(member.key)) resolved.set(member.key, member.value);
  return resolved;
}

Value resolve_list(const Value& nodes, const Registry& registry) {
  if (!nodes.is(Value::Kind::array)) return nodes;
  const std::vector<std::string> names = node_names(nodes.array());
  Array resolved;
  for (size_t i = 0; i < names.size(); ++i)
    resolved.push_back(resolve_node(nodes.array()[i], names[i], registry));
  Value list = std::move(resolved);
  list.origin = nodes.origin;
  return list;
}

}  // namespace

bool is_name(std::string_view text) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= kLimits.name_bytes &&
         std::all_of(text.begin(), text.end(), good);
}

std::string name_text() {
  return fmt::format("a name of letters, digits, \"_\" and \"-\", at most {} characters",
                     kLimits.name_bytes);
}

std::vector<std::string> node_names(const Array& nodes) {
  std::vector<std::string> names(nodes.size());
  std::set<std::string> taken;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (const std::string* name = string_member(nodes[i], "name")) {
      names[i] = *name;
      taken.insert(*name);
    }
  }
  std::map<std::string, size_t> used;  // the last number given to each kind
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!names[i].empty() || nodes[i].find("name")) continue;
    const std::string* kind = string_member(nodes[i], "op");
    if (!kind) kind = string_member(nodes[i], "block");
    if (!kind) continue;
    size_t& number = used[*kind];
    do {
      ++number;
      names[i] = number == 1 ? *kind : fmt::format("{}_{}", *kind, number);
    } while (!taken.insert(names[i]).second);
  }
  return names;
}

Value resolve_network(const Value& network, const Registry& registry) {
  if (!network.is(Value::Kind::object)) return network;
  Value resolved = Object{};
  resolved.origin = network.origin;
  for (const Member& member : network.object()) {
    Value& copy = resolved.set(member.key, member.value);
    if (member.key == "nodes") copy = resolve_list(member.value, registry);
    if (member.key != "blocks" || !copy.is(Value::Kind::object)) continue;
    for (Member& block : copy.object())
      if (Value* nodes = block.value.find("nodes")) *nodes = resolve_list(*nodes, registry);
  }
  return resolved;
}

bool is_reference(const Value& value) {
  return value.is(Value::Kind::string) && value.string().starts_with('$');
}

bool holds_reference(const Value& value) {
  if (value.is(Value::Kind::array))
    return std::any_of(value.array().begin(), value.array().end(), holds_reference);
  return is_reference(value);
}

}  // namespace engine
