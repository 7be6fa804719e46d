#include "engine/core/keys_reader.h"
#include "engine/core/keys_schema.h"

namespace engine {
namespace {

/// Gives a value the origin of what it was read from; parts of an array theirs where they match.
void take_origin(Value& value, const Value& source) {
  value.origin = source.origin;
  if (value.is(Value::Kind::array)) {
    for (size_t i = 0; i < value.array().size(); ++i) {
      const bool matches =
          source.is(Value::Kind::array) && source.array().size() == value.array().size();
      take_origin(value.array()[i], matches ? source.array()[i] : source);
    }
  }
}

}  // namespace

void DescribeKeys::add(std::string_view key, const KeyInfo& info, Value default_value,
                       Value schema) {
  KeyDescription description;
  description.key = key;
  description.doc = info.doc;
  description.required = info.required;
  if (!info.required) description.default_value = std::move(default_value);
  description.schema = std::move(schema);
  keys.push_back(std::move(description));
}

void DescribeKeys::boolean(std::string_view key, bool& value, KeyInfo info) {
  add(key, info, value, boolean_schema());
}
void DescribeKeys::integer(std::string_view key, int64_t& value, KeyInfo info) {
  add(key, info, value, number_schema("integer", info));
}
void DescribeKeys::number(std::string_view key, double& value, KeyInfo info) {
  add(key, info, value, number_schema("number", info));
}
void DescribeKeys::string(std::string_view key, std::string& value, KeyInfo info) {
  add(key, info, value, string_schema());
}
void DescribeKeys::custom(std::string_view key, CustomValue& value, KeyInfo info) {
  add(key, info, value.write(), value.schema());
}
void DescribeKeys::choice_index(std::string_view key, size_t& index,
                                const std::vector<std::string_view>& names, KeyInfo info) {
  add(key, info, names[index], choice_schema(names));
}

void DescribeKeys::object(std::string_view key, const std::function<void(Keys&)>& members,
                          KeyInfo info, bool*) {
  DescribeKeys inner;
  members(inner);
  add(key, info, {}, Object{{"type", "object", {}}});
  keys.back().members = std::move(inner.keys);
}

void DescribeKeys::section(std::string_view key, std::string_view definition, KeyInfo info) {
  add(key, info, {}, {});
  keys.back().definition = definition;
}

WriteKeys::WriteKeys(const Value& source) : result(Object{}), source_(source) {
  result.origin = source.origin;
}

void WriteKeys::put(std::string_view key, Value value) {
  value.origin = {"default", 0, 0};
  if (const Value* written = source_.find(key)) take_origin(value, *written);
  result.set(key, std::move(value));
}

void WriteKeys::boolean(std::string_view key, bool& value, KeyInfo) {
  put(key, value);
}
void WriteKeys::integer(std::string_view key, int64_t& value, KeyInfo) {
  put(key, value);
}
void WriteKeys::number(std::string_view key, double& value, KeyInfo) {
  put(key, value);
}
void WriteKeys::string(std::string_view key, std::string& value, KeyInfo) {
  put(key, value);
}
void WriteKeys::custom(std::string_view key, CustomValue& value, KeyInfo) {
  put(key, value.write());
}
void WriteKeys::choice_index(std::string_view key, size_t& index,
                             const std::vector<std::string_view>& names, KeyInfo) {
  put(key, names[index]);
}

void WriteKeys::object(std::string_view key, const std::function<void(Keys&)>& members, KeyInfo,
                       bool* present) {
  if (present && !*present) return;
  const Value* written = source_.find(key);
  const Value nothing = Object{};
  WriteKeys inner(written ? *written : nothing);
  members(inner);
  if (!written) inner.result.origin = {"default", 0, 0};
  result.set(key, std::move(inner.result));
}

void WriteKeys::section(std::string_view key, std::string_view, KeyInfo) {
  const Value* written = source_.find(key);
  Value& copy = result.set(key, written ? *written : Value());
  if (!written) copy.origin = {"default", 0, 0};
}

}  // namespace engine
