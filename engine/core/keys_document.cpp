#include "engine/core/keys_document.h"

#include <fmt/format.h>

#include "engine/core/keys_schema.h"

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

}  // namespace

Value schema_reference(const std::string& definition) {
  return Object{{"$ref", "#/definitions/" + definition, {}}};
}

Value described(Value schema, std::string_view doc) {
  schema.set("description", doc);
  return schema;
}

Value string_list_schema() {
  return Object{{"type", "array", {}}, {"items", string_schema(), {}}, {"minItems", 1, {}}};
}

Value object_schema(std::string_view doc) {
  Value schema = Object{};
  schema.set("type", "object");
  if (!doc.empty()) schema.set("description", doc);
  schema.set("properties", Object{});
  schema.set("additionalProperties", false);
  return schema;
}

Value& schema_properties(Value& object) {
  return *object.find("properties");
}

void add_keys(Value& object, const std::vector<KeyDescription>& keys,
              const AddKeysOptions& options) {
  Array required;
  if (const Value* already = object.find("required")) required = already->array();
  for (const KeyDescription& key : keys) {
    Value member = key.schema;
    if (!key.definition.empty()) {
      // draft-07 ignores what stands beside $ref, so the description goes around it.
      member = Object{{"allOf", Array{schema_reference(key.definition)}, {}}};
      member.set("description", key.doc);
    } else if (member.find("type") && !key.members.empty()) {
      member = object_schema(key.doc);
      add_keys(member, key.members, options);
    } else {
      if (!options.or_else.is(Value::Kind::null))
        member = any_of({std::move(member), options.or_else});
      member.set("description", key.doc);
      if (!key.default_value.is(Value::Kind::null)) member.set("default", key.default_value);
    }
    schema_properties(object).set(key.key, std::move(member));
    if (key.required && options.with_required) required.emplace_back(key.key);
  }
  if (!required.empty()) object.set("required", std::move(required));
}

std::string key_table(const std::vector<KeyDescription>& keys) {
  if (keys.empty()) return "No keys of its own.\n\n";
  std::string out = "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const KeyDescription& key : keys)
    out += fmt::format("| `{}` | {} | {} | {} |\n", key.key, cell(value_text(key)),
                       cell(default_text(key)), cell(key.doc));
  return out + "\n";
}

void add_key_tables(const std::string& path, const std::vector<KeyDescription>& keys,
                    std::string& out) {
  out += key_table(keys);
  for (const KeyDescription& key : keys) {
    if (key.members.empty()) continue;
    const std::string inner = join_path(path, key.key);
    out += fmt::format("### `{}`\n\n{}\n\n", inner, key.doc);
    add_key_tables(inner, key.members, out);
  }
}

}  // namespace engine
