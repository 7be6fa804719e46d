#include <algorithm>
#include <charconv>

#include "engine/core/json.h"
#include "engine/graph/network_reader.h"

namespace engine {
namespace {

constexpr std::string_view kNodeKeys[] = {"name", "op", "block", "input", "inputs"};

/// 1 for "$input", 2 for "$input2", 0 for anything else.
size_t input_number(std::string_view reference) {
  constexpr std::string_view kInput = "$input";
  if (!reference.starts_with(kInput)) return 0;
  reference.remove_prefix(kInput.size());
  if (reference.empty()) return 1;
  size_t number = 0;
  const auto end = std::from_chars(reference.data(), reference.data() + reference.size(), number);
  const bool whole = end.ec == std::errc() && end.ptr == reference.data() + reference.size();
  return whole && number >= 2 && number <= kLimits.node_values && reference[0] != '0' ? number : 0;
}

/// Reports references to parameters that the block does not have.
void check_references(const Value& value, const BlockDefinition& block, const std::string& path,
                      Problems& problems) {
  if (value.is(Value::Kind::array)) {
    for (const Value& element : value.array()) check_references(element, block, path, problems);
    return;
  }
  if (!is_reference(value) || block.has_parameter(value.string().substr(1))) return;
  std::vector<std::string_view> known(block.parameters.begin(), block.parameters.end());
  const std::string_view wanted = std::string_view(value.string()).substr(1);
  const std::string_view near = nearest(wanted, known);
  problems.add(
      value.origin, path,
      fmt::format("expected a parameter of the block \"{}\", got {}{}", block.name, got_text(value),
                  near.empty() ? "" : fmt::format("; did you mean \"${}\"?", near)));
}

void check_node(const Value& node, size_t index, BlockDefinition& block, const BlockTable& table,
                const Registry& registry, Problems& problems) {
  const std::string path = node_path(block.path, node, index);
  ReadKeys reader(node, path, problems);
  if (!node.is(Value::Kind::object)) return;
  const NodeHead head = read_head(reader, node, path, problems);
  const auto see_input = [&](const Value& input) {
    if (is_reference(input)) block.inputs = std::max(block.inputs, input_number(input.string()));
  };
  if (head.inputs && head.inputs->is(Value::Kind::array)) {
    for (const Value& input : head.inputs->array()) see_input(input);
  } else if (head.inputs) {
    see_input(*head.inputs);
  }
  for (const Member& member : node.object()) {
    const auto common = std::find(std::begin(kNodeKeys), std::end(kNodeKeys), member.key);
    if (common != std::end(kNodeKeys)) continue;
    check_references(member.value, block, join_path(path, member.key), problems);
    if (holds_reference(member.value)) reader.leave_out(member.key);
  }
  if (head.block) {
    const BlockDefinition* used = table.find(head.block->string());
    if (!used) {
      reader.expected("block", *head.block, "the name of a block of this network",
                      did_you_mean(head.block->string(), table.names()));
      return;
    }
    for (const std::string& parameter : used->parameters) reader.take(parameter);
    reader.finish();
  }
  if (head.op) {
    const OpEntry* entry = find_op(*head.op, join_path(path, "op"), registry, problems);
    if (!entry) return;
    entry->make()->keys(reader);
    reader.finish();
  }
}

void read_parameters(const Value& parameters, BlockDefinition& block, Problems& problems) {
  const std::string path = block.path + ".parameters";
  const auto wrong = [&](const Value& value, const std::string& what) {
    problems.add(value.origin, path, fmt::format("expected {}, got {}", what, got_text(value)));
  };
  if (!parameters.is(Value::Kind::array)) return wrong(parameters, "an array of names");
  if (parameters.array().size() > kLimits.node_values)
    return wrong(parameters, fmt::format("at most {} names", kLimits.node_values));
  for (const Value& value : parameters.array()) {
    const std::string* name = value.is(Value::Kind::string) ? &value.string() : nullptr;
    if (!name || !is_name(*name)) {
      wrong(value, name_text());
    } else if (std::find(std::begin(kNodeKeys), std::end(kNodeKeys), *name) !=
                   std::end(kNodeKeys) ||
               input_number("$" + *name) > 0) {
      wrong(value, "a name that is not a key of every node");
    } else if (block.has_parameter(*name)) {
      wrong(value, "each name once");
    } else {
      block.parameters.push_back(*name);
    }
  }
}

}  // namespace

bool BlockDefinition::has_parameter(std::string_view parameter) const {
  return std::find(parameters.begin(), parameters.end(), parameter) != parameters.end();
}

BlockTable::BlockTable(const Value* blocks, const Registry& registry, Problems& problems) {
  if (!blocks) return;
  if (!blocks->is(Value::Kind::object)) {
    problems.add(blocks->origin, "network.blocks",
                 "expected an object of blocks by name, got " + got_text(*blocks));
    return;
  }
  for (const Member& member : blocks->object()) {
    BlockDefinition block;
    block.name = member.key;
    block.path = "network.blocks." + member.key;
    block.origin = member.origin;
    if (!is_name(member.key))
      problems.add(member.origin, block.path, "expected " + name_text() + " for a block");
    ReadKeys reader(member.value, block.path, problems);
    if (const Value* parameters = reader.take("parameters"))
      read_parameters(*parameters, block, problems);
    reader.section("nodes", "array of nodes", {.required = true});
    reader.finish();
    if (const Value* nodes = member.value.find("nodes")) {
      if (nodes->is(Value::Kind::array) && !nodes->array().empty()) {
        block.nodes = nodes;
      } else {
        reader.expected("nodes", *nodes, "an array of at least one node");
      }
    }
    places_.emplace(block.name, blocks_.size());
    blocks_.push_back(std::move(block));
  }
  // Only now, because blocks may use blocks that come later.
  for (BlockDefinition& block : blocks_) {
    if (!block.nodes) continue;
    const Array& nodes = block.nodes->array();
    check_names(nodes, node_names(nodes), block.path, problems);
    for (size_t i = 0; i < nodes.size(); ++i)
      check_node(nodes[i], i, block, *this, registry, problems);
  }
}

const BlockDefinition* BlockTable::find(std::string_view name) const {
  const auto place = places_.find(std::string(name));
  return place == places_.end() ? nullptr : &blocks_[place->second];
}

std::vector<std::string_view> BlockTable::names() const {
  std::vector<std::string_view> names;
  for (const BlockDefinition& block : blocks_) names.push_back(block.name);
  return names;
}

bool BlockTable::expands(const Value& nodes, Problems& problems) const {
  Expansion expansion{problems, {}, {}, true};
  for (const BlockDefinition& block : blocks_)  // the unused ones too
    if (block.nodes) measure(block, block.origin, expansion);
  const Size size = measure(nodes, expansion);
  if (!expansion.good) return false;
  if (size.nodes <= kLimits.nodes) return true;
  problems.add(nodes.origin, "network.nodes",
               fmt::format("expected at most {} nodes after expanding blocks", kLimits.nodes));
  return false;
}

BlockTable::Size BlockTable::measure(const BlockDefinition& block, const Origin& used,
                                     Expansion& expansion) const {
  auto& [problems, open, known, good] = expansion;
  const auto cycle = std::find(open.begin(), open.end(), &block);
  if (cycle != open.end()) {
    std::string chain;
    for (auto it = cycle; it != open.end(); ++it) chain += (*it)->name + " -> ";
    problems.add(used, open.back()->path,
                 "expected blocks that do not contain themselves, got " + chain + block.name);
    good = false;
    return {};
  }
  if (const auto before = known.find(&block); before != known.end()) return before->second;
  Size size;
  if (open.size() < kLimits.block_levels) {
    open.push_back(&block);
    size = measure(*block.nodes, expansion);
    open.pop_back();
  }
  if (++size.levels > kLimits.block_levels) {
    problems.add(
        used, block.path,
        fmt::format("expected at most {} levels of blocks in blocks", kLimits.block_levels));
    good = false;
  }
  known[&block] = size;  // in any case, or a wrong file could take exponential time
  return size;
}

BlockTable::Size BlockTable::measure(const Value& nodes, Expansion& expansion) const {
  constexpr size_t kMany = kLimits.nodes + 1;  // counting stops here, so nothing overflows
  Size total;
  for (const Value& node : nodes.array()) {
    const Value* name = node.find("block");
    const BlockDefinition* block =
        name && name->is(Value::Kind::string) ? find(name->string()) : nullptr;
    Size size{1, 0};
    if (block && block->nodes) size = measure(*block, name->origin, expansion);
    total.nodes = std::min(total.nodes + size.nodes, kMany);
    total.levels = std::max(total.levels, size.levels);
  }
  return total;
}

}  // namespace engine
