#include "engine/graph/network.h"

#include <algorithm>
#include <span>
#include <unordered_set>

#include "engine/core/json.h"
#include "engine/graph/network_reader.h"

namespace engine {
namespace {

/// A parameter's value and where the file gave it.
struct Argument {
  Value value;
  std::string path;
};

/// One list of nodes under way: the network's own, or a block's for one instance.
struct Scope {
  std::string prefix;    ///< of names: "inception_a."
  std::string path;      ///< of messages: "network.blocks.inception"
  std::string instance;  ///< "inception_a"; empty for the network's own list
  std::map<std::string, Argument> arguments;
  std::vector<std::string> inputs;  ///< what "$input", "$input2", ... stand for
  std::map<std::string, std::string>
      outputs;                          ///< node's name in this list -> full name of its output
  std::vector<std::string_view> order;  ///< names in outputs, as they came
};

class Expander {
 public:
  Expander(const BlockTable& blocks, const Registry& registry, Problems& problems)
      : blocks_(blocks), registry_(registry), problems_(problems) {}

  /// Returns the full name of the last node's output.
  std::string expand(const Value& nodes, Scope& scope) {
    const std::vector<std::string> names = node_names(nodes.array());
    std::string previous = scope.inputs.empty() ? std::string() : scope.inputs.front();
    for (size_t i = 0; i < names.size(); ++i) {
      const Value& node = nodes.array()[i];
      const std::string path = node_path(scope.path, node, i);
      later_ = std::span(names).subspan(i);
      previous = expand_node(node, names[i], path, previous, scope);
      const auto [place, is_new] = scope.outputs.emplace(names[i], previous);
      if (is_new) scope.order.push_back(place->first);
    }
    return previous;
  }

  /// Reports nodes whose output goes nowhere.
  void check_uses() {
    std::unordered_set<std::string_view> used;
    for (const NodeSpec& node : spec.nodes) used.insert(node.inputs.begin(), node.inputs.end());
    for (size_t i = 0; i + 1 < spec.nodes.size(); ++i) {
      const NodeSpec& node = spec.nodes[i];
      if (!used.contains(node.name))
        problems_.add(node.origin, "network." + node.name,
                      "expected a node that uses this one's output; there is none");
    }
  }

  NetworkSpec spec;

 private:
  std::string expand_node(const Value& node, const std::string& name, const std::string& path,
                          const std::string& previous, Scope& scope) {
    std::string full_name = scope.prefix + name;
    ReadKeys reader(node, path, problems_);
    if (!node.is(Value::Kind::object)) return full_name;
    const NodeHead head = read_head(reader, node, path, problems_);
    std::vector<std::string> inputs = {previous};
    if (head.inputs) inputs = resolve_inputs(*head.inputs, path, scope);
    if (head.block) return expand_block(node, head, full_name, path, inputs, scope);
    if (head.op) add_op(node, *head.op, full_name, path, std::move(inputs), scope);
    return full_name;
  }

  void add_op(const Value& node, const Value& type, const std::string& full_name,
              const std::string& path, std::vector<std::string> inputs, const Scope& scope) {
    const OpEntry* entry = find_op(type, join_path(path, "op"), registry_, problems_);
    if (!entry) return;
    NodeSpec made{full_name, scope.instance, entry->make(), std::move(inputs), node.origin};
    const Value attributes = substituted(node, scope);
    ReadKeys reader(attributes, path, problems_);
    for (std::string_view key : {"name", "op", "block", "input", "inputs"}) reader.take(key);
    for (const Member& member : node.object())
      if (const Argument* argument = find_argument(member.value, scope))
        reader.show_as(member.key, argument->path);
    // A reference that is left has been reported where it was written or where it was not given.
    for (const Member& member : attributes.object())
      if (!scope.instance.empty() && holds_reference(member.value)) reader.leave_out(member.key);
    made.op->keys(reader);
    reader.finish();
    const auto [least, most] = made.op->arity();
    const Value* written = node.find("inputs");
    const bool readable =
        !written || (written->is(Value::Kind::array) && !written->array().empty());
    if (readable && (made.inputs.size() < least || made.inputs.size() > most)) {
      problems_.add(written ? written->origin : node.origin, path,
                    fmt::format("expected {} for {}, got {}", arity_text(least, most), entry->name,
                                made.inputs.size()));
    }
    made_.insert(full_name);
    spec.nodes.push_back(std::move(made));
  }

  static std::string arity_text(size_t least, size_t most) {
    if (least == most) return fmt::format("{} input{}", least, least == 1 ? "" : "s");
    if (most > kLimits.node_values) return fmt::format("at least {} inputs", least);
    return fmt::format("{} to {} inputs", least, most);
  }

  std::string expand_block(const Value& node, const NodeHead& head, const std::string& full_name,
                           const std::string& path, const std::vector<std::string>& inputs,
                           const Scope& scope) {
    const BlockDefinition* block = blocks_.find(head.block->string());
    ReadKeys reader(node, path, problems_);
    if (!block) {
      reader.expected("block", *head.block, "the name of a block of this network",
                      did_you_mean(head.block->string(), blocks_.names()));
      return full_name;
    }
    if (!block->nodes) return full_name;
    Scope inner{full_name + ".", block->path, full_name, {}, inputs, {}, {}};
    for (std::string_view key : {"name", "op", "block", "input", "inputs"}) reader.take(key);
    for (const std::string& parameter : block->parameters)
      take_argument(reader, parameter, *block, path, scope, inner);
    reader.finish();
    if (inputs.size() != block->inputs) {
      problems_.add(
          head.inputs ? head.inputs->origin : node.origin, path,
          fmt::format("expected {} for the block \"{}\", got {}",
                      arity_text(block->inputs, block->inputs), block->name, inputs.size()));
      inner.inputs.resize(block->inputs, inputs.front());
    }
    return expand(*block->nodes, inner);
  }

  void take_argument(ReadKeys& reader, const std::string& parameter, const BlockDefinition& block,
                     const std::string& path, const Scope& outer, Scope& inner) {
    reader.section(parameter,
                   fmt::format("value of this parameter of the block \"{}\"", block.name),
                   {.required = true});
    const Value* value = reader.take(parameter);
    if (!value) return;
    const bool is_list = value->is(Value::Kind::array) && value->array().size() <= kLongestArgument;
    const bool nested =
        is_list && std::any_of(value->array().begin(), value->array().end(), [](const Value& v) {
          return v.is(Value::Kind::array) || v.is(Value::Kind::object);
        });
    if (value->is(Value::Kind::object) || nested || (value->is(Value::Kind::array) && !is_list)) {
      reader.expected(parameter, *value,
                      fmt::format("a number, a string, a boolean or an array of at most {} of them",
                                  kLongestArgument));
      return;
    }
    std::string shown = join_path(path, parameter);
    if (is_reference(*value))
      if (const Argument* passed_on = find_argument(*value, outer)) shown = passed_on->path;
    inner.arguments[parameter] = {substituted_value(*value, outer), std::move(shown)};
  }

  /// The node with references replaced by what the instance gave.
  static Value substituted(const Value& node, const Scope& scope) {
    Value copy = node;
    for (Member& member : copy.object()) {
      const bool head = member.key == "input" || member.key == "inputs" || member.key == "name";
      if (!head && holds_reference(member.value))
        member.value = substituted_value(member.value, scope);
    }
    return copy;
  }

  static Value substituted_value(const Value& value, const Scope& scope) {
    if (const Argument* argument = find_argument(value, scope)) return argument->value;
    if (!value.is(Value::Kind::array)) return value;
    Value copy = value;
    for (Value& element : copy.array()) element = substituted_value(element, scope);
    return copy;
  }

  static const Argument* find_argument(const Value& value, const Scope& scope) {
    if (!is_reference(value)) return nullptr;
    const auto found = scope.arguments.find(value.string().substr(1));
    return found == scope.arguments.end() ? nullptr : &found->second;
  }

  std::vector<std::string> resolve_inputs(const Value& inputs, const std::string& path,
                                          const Scope& scope) {
    if (inputs.is(Value::Kind::string))
      return {resolve_input(inputs, join_path(path, "input"), scope)};
    std::vector<std::string> resolved;
    for (const Value& input : inputs.array())
      resolved.push_back(resolve_input(input, join_path(path, "inputs"), scope));
    return resolved;
  }

  std::string resolve_input(const Value& input, const std::string& path, const Scope& scope) {
    const std::string& text = input.string();
    for (size_t i = 0; i < scope.inputs.size(); ++i)
      if (text == (i == 0 ? "$input" : fmt::format("$input{}", i + 1))) return scope.inputs[i];
    const auto found = scope.outputs.find(text);
    if (found != scope.outputs.end()) return found->second;
    // A node inside an instance that came before, by its full name.
    if (const size_t dot = text.find('.'); dot != text.npos &&
                                           scope.outputs.contains(text.substr(0, dot)) &&
                                           made_.contains(scope.prefix + text))
      return scope.prefix + text;
    std::string hint;
    if (std::find(later_.begin(), later_.end(), text) != later_.end()) {
      hint = ", which is not";
    } else {
      std::vector<std::string_view> candidates = scope.order;
      candidates.push_back("$input");
      hint = did_you_mean(text, candidates);
    }
    problems_.add(
        input.origin, path,
        fmt::format("expected the name of a node before this one, or \"$input\", got {}{}",
                    got_text(input), hint));
    return scope.inputs.front();
  }

  static constexpr size_t kLongestArgument = 16;

  const BlockTable& blocks_;
  const Registry& registry_;
  Problems& problems_;
  std::unordered_set<std::string> made_;  ///< full names of all nodes so far
  std::span<const std::string> later_;    ///< names from the node under way on
};

}  // namespace

NetworkSpec read_network(const Value& network, const Registry& registry, Problems& problems) {
  const size_t before = problems.count();
  ReadKeys reader(network, "network", problems);
  reader.section("nodes", "array of nodes", {.required = true});
  const Value* blocks = reader.take("blocks");
  reader.finish();
  const BlockTable table(blocks, registry, problems);
  const Value* nodes = network.find("nodes");
  if (!nodes) return {};
  if (!nodes->is(Value::Kind::array) || nodes->array().empty()) {
    reader.expected("nodes", *nodes, "an array of at least one node");
    return {};
  }
  if (!table.expands(*nodes, problems)) return {};
  check_names(nodes->array(), node_names(nodes->array()), "network", problems);
  Expander expander(table, registry, problems);
  Scope scope{"", "network", "", {}, {""}, {}, {}};
  expander.expand(*nodes, scope);
  if (problems.count() == before) expander.check_uses();
  return std::move(expander.spec);
}

}  // namespace engine
