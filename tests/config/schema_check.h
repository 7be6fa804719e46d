#pragma once

#include <regex>
#include <string>

#include "engine/core/json.h"

namespace engine::test {

/// Checks a document against the part of JSON Schema draft-07 that experiment_schema uses. Returns
/// the first thing that is wrong, or an empty text. A keyword that it does not know is wrong too,
/// so that nothing passes unseen.
class SchemaCheck {
 public:
  explicit SchemaCheck(const Value& root) : root_(root) {}

  std::string check(const Value& schema, const Value& value, const std::string& path) const {
    if (schema.is(Value::Kind::boolean)) return schema.boolean() ? "" : path + ": not allowed";
    for (const Member& keyword : schema.object()) {
      std::string wrong = one(schema, keyword.key, keyword.value, value, path);
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

 private:
  std::string one(const Value& schema, const std::string& keyword, const Value& rule,
                  const Value& value, const std::string& path) const {
    const auto wrong = [&](bool good) { return good ? std::string() : path + ": " + keyword; };
    const double number = value.is_number() ? value.number() : 0;
    for (const char* note : {"$schema", "title", "description", "default", "definitions"})
      if (keyword == note) return {};
    if (keyword == "$ref") return check(resolve(rule.string()), value, path);
    if (keyword == "type") return wrong(has_type(value, rule.string()));
    if (keyword == "const") return wrong(to_json(rule, -1) == to_json(value, -1));
    if (keyword == "enum") {
      for (const Value& choice : rule.array())
        if (to_json(choice, -1) == to_json(value, -1)) return {};
      return wrong(false);
    }
    if (keyword == "minimum") return wrong(!value.is_number() || number >= rule.number());
    if (keyword == "maximum") return wrong(!value.is_number() || number <= rule.number());
    if (keyword == "exclusiveMinimum") return wrong(!value.is_number() || number > rule.number());
    if (keyword == "exclusiveMaximum") return wrong(!value.is_number() || number < rule.number());
    if (keyword == "pattern")
      return wrong(!value.is(Value::Kind::string) ||
                   std::regex_search(value.string(), std::regex(rule.string())));
    if (keyword == "anyOf" || keyword == "oneOf" || keyword == "allOf")
      return combine(keyword, rule, value, path);
    if (keyword == "required") {
      for (const Value& key : rule.array())
        if (value.is(Value::Kind::object) && !value.find(key.string()))
          return path + ": " + key.string() + " is missing";
      return {};
    }
    if (keyword == "properties" || keyword == "additionalProperties")
      return members(schema, keyword, rule, value, path);
    if (keyword == "items" || keyword == "minItems" || keyword == "maxItems" ||
        keyword == "uniqueItems")
      return elements(keyword, rule, value, path);
    return path + ": the schema has the unknown keyword " + keyword;
  }

  std::string combine(const std::string& keyword, const Value& rule, const Value& value,
                      const std::string& path) const {
    size_t good = 0;
    std::string first;
    for (const Value& inner : rule.array()) {
      std::string wrong = check(inner, value, path);
      if (wrong.empty()) ++good;
      if (first.empty()) first = wrong;
    }
    if (keyword == "allOf") return first;
    if (keyword == "anyOf" ? good >= 1 : good == 1) return {};
    return path + ": " + keyword + " (" + first + ")";
  }

  std::string members(const Value& schema, const std::string& keyword, const Value& rule,
                      const Value& value, const std::string& path) const {
    if (!value.is(Value::Kind::object)) return {};
    const Value* known = schema.find("properties");
    for (const Member& member : value.object()) {
      const Value* property = known ? known->find(member.key) : nullptr;
      const bool extra = keyword == "additionalProperties";
      if (extra == (property != nullptr)) continue;
      std::string wrong = check(extra ? rule : *property, member.value, path + "." + member.key);
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  std::string elements(const std::string& keyword, const Value& rule, const Value& value,
                       const std::string& path) const {
    if (!value.is(Value::Kind::array)) return {};
    const auto size = static_cast<int64_t>(value.array().size());
    if (keyword == "minItems") return size >= rule.integer() ? "" : path + ": too few";
    if (keyword == "maxItems") return size <= rule.integer() ? "" : path + ": too many";
    for (size_t i = 0; i < value.array().size(); ++i) {
      if (keyword == "items") {
        std::string wrong = check(rule, value.array()[i], path + "[" + std::to_string(i) + "]");
        if (!wrong.empty()) return wrong;
      }
      for (size_t j = 0; keyword == "uniqueItems" && j < i; ++j)
        if (to_json(value.array()[i]) == to_json(value.array()[j])) return path + ": twice";
    }
    return {};
  }

  const Value& resolve(const std::string& reference) const {
    const std::string prefix = "#/definitions/";
    return *root_.find("definitions")->find(reference.substr(prefix.size()));
  }

  static bool has_type(const Value& value, const std::string& type) {
    if (type == "number") return value.is_number();
    if (type == "integer")
      return value.is(Value::Kind::integer) ||
             (value.is(Value::Kind::number) &&
              value.number() == static_cast<double>(static_cast<int64_t>(value.number())));
    const std::pair<const char*, Value::Kind> kinds[] = {{"boolean", Value::Kind::boolean},
                                                         {"string", Value::Kind::string},
                                                         {"array", Value::Kind::array},
                                                         {"object", Value::Kind::object}};
    for (const auto& [name, kind] : kinds)
      if (type == name) return value.is(kind);
    return false;
  }

  const Value& root_;
};

inline std::string check_schema(const Value& schema, const Value& document) {
  return SchemaCheck(schema).check(schema, document, "");
}

}  // namespace engine::test
