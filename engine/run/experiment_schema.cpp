#include <algorithm>

#include "engine/core/json.h"
#include "engine/core/keys_document.h"
#include "engine/core/keys_schema.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

/// "$c1" in a block's node.
Value parameter_schema() {
  return Object{{"type", "string", {}}, {"pattern", "^\\$", {}}};
}

Value name_schema() {
  return Object{{"type", "string", {}},
                {"pattern", fmt::format("^[A-Za-z0-9_-]{{1,{}}}$", kLimits.name_bytes), {}}};
}

/// An object whose kind is said by one key ("op": "noise").
Value kind_schema(std::string_view key, std::string_view kind, std::string_view doc) {
  Value schema = object_schema(doc);
  schema_properties(schema).set(key, Object{{"const", kind, {}}});
  return schema;
}

void require(Value& schema, std::string_view key) {
  schema.set("required", Array{Value(key)});
}

Value any_definition(const std::vector<std::string>& definitions) {
  Array schemas;
  for (const std::string& definition : definitions) schemas.push_back(schema_reference(definition));
  return any_of(std::move(schemas));
}

void add_node_keys(Value& schema) {
  schema_properties(schema).set(
      "name", described(name_schema(), "Name of the node; the op's or block's name when absent."));
  schema_properties(schema).set("input",
                                described(string_schema(),
                                          "The node that this one reads; the one before when "
                                          "absent. In a block \"$input\" is the block's input."));
  schema_properties(schema).set(
      "inputs", described(string_list_schema(), "The nodes that this one reads, in order."));
}

/// Definitions of all ops, of nodes, and of blocks.
void add_network(Value& definitions, const Registry& registry) {
  for (const bool in_block : {false, true}) {
    const std::string prefix = in_block ? "block_op_" : "op_";
    std::vector<std::string> kinds;
    for (const OpEntry& entry : registry.ops) {
      if (entry.internal) continue;
      Value schema = kind_schema("op", entry.name, entry.doc);
      require(schema, "op");
      add_node_keys(schema);
      add_keys(schema, describe(*entry.make()),
               {.or_else = in_block ? parameter_schema() : Value(), .with_required = true});
      kinds.push_back(prefix + std::string(entry.name));
      definitions.set(kinds.back(), std::move(schema));
    }
    kinds.push_back("instance");
    definitions.set(in_block ? "block_node" : "node", any_definition(kinds));
  }
  Value instance =
      object_schema("A block in the place of a node. The block's parameters are keys.");
  require(instance, "block");
  schema_properties(instance).set("block",
                                  described(string_schema(), "Name of a block of this network."));
  add_node_keys(instance);
  instance.set("additionalProperties", true);
  // Or "op" would be read as a parameter and every node would pass as an instance.
  schema_properties(instance).set("op", false);
  definitions.set("instance", std::move(instance));

  const auto list = [](const std::string& definition, std::string_view doc) {
    return Object{{"type", "array", {}},
                  {"description", doc, {}},
                  {"items", schema_reference(definition), {}},
                  {"minItems", 1, {}}};
  };
  Value block = object_schema("A part of a network that can be used several times.");
  require(block, "nodes");
  schema_properties(block).set("parameters",
                               Object{{"type", "array", {}},
                                      {"description",
                                       "Names that nodes use as \"$name\" and that an "
                                       "instance gives values.",
                                       {}},
                                      {"items", name_schema(), {}},
                                      {"uniqueItems", true, {}}});
  schema_properties(block).set("nodes",
                               list("block_node", "The last node's output is the block's."));
  definitions.set("block", std::move(block));

  Value network = object_schema("The graph of ops.");
  schema_properties(network).set(
      "blocks", Object{{"type", "object", {}},
                       {"description", "Blocks by name; blocks may use blocks.", {}},
                       {"additionalProperties", schema_reference("block"), {}}});
  schema_properties(network).set("nodes",
                                 list("node",
                                      "The last node's output is the network's: one value for "
                                      "each class."));
  definitions.set("network", std::move(network));
}

void add_preprocess(Value& definitions, const Registry& registry) {
  std::vector<std::string> kinds;
  for (const StageEntry& entry : registry.stages) {
    Value schema = kind_schema("op", entry.name, entry.doc);
    require(schema, "op");
    schema_properties(schema).set(
        "name", described(name_schema(), "Name of the stage; the op's when absent."));
    add_keys(schema, describe(*entry.make()), {.with_required = true});
    kinds.push_back("stage_" + std::string(entry.name));
    definitions.set(kinds.back(), std::move(schema));
  }
  definitions.set("stage", any_definition(kinds));
  const Value stages = Object{{"type", "array", {}}, {"items", schema_reference("stage"), {}}};
  const Value by_name =
      Object{{"type", "object", {}},
             {"description", "In a file with \"extends\": changes of stages, by name.", {}},
             {"additionalProperties", Object{{"type", "object", {}}}, {}}};
  definitions.set("preprocess", any_of({stages, by_name}));
}

void add_optimizer(Value& definitions, const Registry& registry) {
  std::vector<std::string> kinds;
  for (const OptimizerEntry& entry : registry.optimizers) {
    Value schema = kind_schema("type", entry.name, entry.doc);
    // "type" may come from the file that is extended.
    add_keys(schema, describe(*entry.make()));
    kinds.push_back("optimizer_" + std::string(entry.name));
    definitions.set(kinds.back(), std::move(schema));
  }
  definitions.set("optimizer", any_definition(kinds));
}

}  // namespace

std::vector<KeyDescription> describe(Op& op) {
  return describe_keys(op);
}
std::vector<KeyDescription> describe(Stage& stage) {
  return describe_keys(stage);
}
std::vector<KeyDescription> describe(Optimizer& optimizer) {
  return describe_keys(optimizer);
}

std::vector<KeyDescription> describe_experiment() {
  DescribeKeys keys;
  FileKeys file;
  file.keys(keys);
  Experiment experiment;
  experiment_keys(keys, experiment);
  return std::move(keys.keys);
}

Value experiment_schema(const Registry& registry) {
  Value schema = Object{};
  schema.set("$schema", "http://json-schema.org/draft-07/schema#");
  schema.set("title", "Experiment");
  schema.set("description", "An experiment of the engine: data, preprocessing, network, training.");
  schema.set("type", "object");
  schema.set("properties", Object{});
  schema.set("additionalProperties", false);
  add_keys(schema, describe_experiment());
  // A file stands for itself or changes another one.
  const auto needs = [](Array keys) { return Object{{"required", std::move(keys), {}}}; };
  schema.set("anyOf", Array{needs({"extends"}), needs({"data", "network"})});
  Value definitions = Object{};
  add_network(definitions, registry);
  add_preprocess(definitions, registry);
  add_optimizer(definitions, registry);
  schema.set("definitions", std::move(definitions));
  return schema;
}

}  // namespace engine
