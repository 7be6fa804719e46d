#include "engine/core/keys_schema.h"

#include <fmt/format.h>  // format

#include <cmath>

#include "engine/core/json.h"
#include "engine/core/keys_reader.h"

namespace engine {
namespace {

/// A limit as the schema and messages write it: whole numbers without ".0".
Value limit_value(double limit) {
  if (limit == std::floor(limit) && std::abs(limit) < 1e15) return static_cast<int64_t>(limit);
  return limit;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string range_text(const Value& schema) {
  std::string text;
  const auto bound = [&](std::string_view key, std::string_view sign) {
    if (const Value* limit = schema.find(key))
      text += fmt::format("{} {} {}", text.empty() ? "" : " and", sign, to_json(*limit, -1));
  };
  bound("minimum", ">=");
  bound("exclusiveMinimum", ">");
  bound("maximum", "<=");
  bound("exclusiveMaximum", "<");
  return text;
}

std::string array_text(const Value& schema) {
  std::string text = "an array";
  const Value* least = schema.find("minItems");
  const Value* most = schema.find("maxItems");
  if (least && most && to_json(*least) == to_json(*most)) {
    text += fmt::format(" of {} values", to_json(*least));
  } else if (least) {
    text += fmt::format(" of at least {} values", to_json(*least));
  }
  const Value* items = schema.find("items");
  if (items && items->is(Value::Kind::object)) text += ", each " + schema_text(*items);
  return text;
}

}  // namespace

Value boolean_schema() {
  return Object{{"type", "boolean", {}}};
}
Value string_schema() {
  return Object{{"type", "string", {}}};
}

Value number_schema(std::string_view type, const KeyInfo& info) {
  Value schema = Object{{"type", type, {}}};
  if (std::isfinite(info.minimum))
    schema.set(info.exclusive_minimum ? "exclusiveMinimum" : "minimum", limit_value(info.minimum));
  if (std::isfinite(info.maximum))
    schema.set(info.exclusive_maximum ? "exclusiveMaximum" : "maximum", limit_value(info.maximum));
  return schema;
}

Value choice_schema(const std::vector<std::string_view>& names) {
  Array words;
  for (std::string_view name : names) words.emplace_back(name);
  return Object{{"enum", std::move(words), {}}};
}

Value any_of(Array schemas) {
  return Object{{"anyOf", std::move(schemas), {}}};
}

bool in_range(double value, const KeyInfo& info) {
  const bool low = info.exclusive_minimum ? value > info.minimum : value >= info.minimum;
  const bool high = info.exclusive_maximum ? value < info.maximum : value <= info.maximum;
  return low && high;
}

std::vector<std::string_view> schema_words(const Value& schema) {
  std::vector<std::string_view> words;
  if (const Value* only = schema.find("const"); only && only->is(Value::Kind::string))
    words.push_back(only->string());
  if (const Value* list = schema.find("enum"); list && list->is(Value::Kind::array)) {
    for (const Value& word : list->array())
      if (word.is(Value::Kind::string)) words.push_back(word.string());
  }
  for (std::string_view key : {"anyOf", "oneOf"}) {
    const Value* schemas = schema.find(key);
    if (!schemas || !schemas->is(Value::Kind::array)) continue;
    for (const Value& inner : schemas->array())
      for (std::string_view word : schema_words(inner)) words.push_back(word);
  }
  return words;
}

std::string schema_text(const Value& schema) {
  for (std::string_view key : {"anyOf", "oneOf"}) {
    if (const Value* schemas = schema.find(key)) {
      std::vector<std::string> words;
      for (const Value& inner : schemas->array()) words.push_back(schema_text(inner));
      return joined(words);
    }
  }
  if (const Value* only = schema.find("const")) return to_json(*only, -1);
  if (const Value* list = schema.find("enum")) {
    std::vector<std::string> words;
    for (const Value& word : list->array()) words.push_back(to_json(word, -1));
    return joined(words);
  }
  const Value* type = schema.find("type");
  if (!type || !type->is(Value::Kind::string)) return "a value";
  if (type->string() == "array") return array_text(schema);
  if (type->string() == "integer") return "an integer" + range_text(schema);
  if (type->string() == "number") return "a number" + range_text(schema);
  if (type->string() == "boolean") return "true or false";
  if (type->string() == "object") return "an object";
  return "a " + type->string();
}

}  // namespace engine
