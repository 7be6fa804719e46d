#include "engine/core/keys_reader.h"

#include <algorithm>
#include <cmath>

#include "engine/core/json.h"
#include "engine/core/keys_schema.h"

namespace engine {

std::string join_path(std::string_view path, std::string_view key) {
  if (path.empty()) return std::string(key);
  return fmt::format("{}.{}", path, key);
}

namespace {

bool is_nested(const Value& value) {
  return value.is(Value::Kind::array) || value.is(Value::Kind::object);
}

}  // namespace

std::string got_text(const Value& value) {
  constexpr size_t kLongest = 60;
  switch (value.kind()) {
    case Value::Kind::array: {
      const Array& array = value.array();
      const bool flat = array.size() <= 8 && std::none_of(array.begin(), array.end(), is_nested);
      const std::string text = flat ? to_json(value, -1) : std::string();
      return flat && text.size() <= kLongest ? text : "an array";
    }
    case Value::Kind::object:
      return "an object";
    default:
      break;
  }
  std::string text = to_json(value, -1);
  if (text.size() <= kLongest) return text;
  size_t cut = kLongest;  // not in the middle of a character
  while ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return text.substr(0, cut) + "...";
}

ReadKeys::ReadKeys(const Value& object, std::string path, Problems& problems)
    : object_(object), path_(std::move(path)), problems_(problems) {
  if (!object_.is(Value::Kind::object))
    problems_.add(object_.origin, path_,
                  fmt::format("expected an object, got {}", got_text(object_)));
}

const Value* ReadKeys::take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return object_.find(key);
}

void ReadKeys::leave_out(std::string_view key) {
  left_out_.emplace_back(key);
}

void ReadKeys::show_as(std::string_view key, std::string path) {
  shown_as_.emplace_back(key, std::move(path));
}

std::string ReadKeys::path_of(std::string_view key) const {
  for (const auto& [shown, path] : shown_as_)
    if (shown == key) return path;
  return join_path(path_, key);
}

void ReadKeys::expected(std::string_view key, const Value& got, std::string_view what,
                        std::string_view hint) {
  problems_.add(got.origin, path_of(key),
                fmt::format("expected {}, got {}{}", what, got_text(got), hint));
}

const Value* ReadKeys::find(std::string_view key, const KeyInfo& info, const Value& schema) {
  const Value* value = take(key);
  if (std::find(left_out_.begin(), left_out_.end(), key) != left_out_.end()) return nullptr;
  if (!value && info.required) missing_.emplace_back(key, schema_text(schema));
  return value;
}

void ReadKeys::boolean(std::string_view key, bool& value, KeyInfo info) {
  const Value schema = boolean_schema();
  const Value* found = find(key, info, schema);
  if (!found) return;
  if (!found->is(Value::Kind::boolean)) return expected(key, *found, schema_text(schema));
  value = found->boolean();
}

void ReadKeys::integer(std::string_view key, int64_t& value, KeyInfo info) {
  const Value schema = number_schema("integer", info);
  const Value* found = find(key, info, schema);
  if (!found) return;
  // 1e5 is an integer, as in JSON Schema; beyond 2^53 a double no longer says which one.
  constexpr double kExact = 9007199254740992.0;
  const bool whole = found->is(Value::Kind::integer) ||
                     (found->is(Value::Kind::number) && std::abs(found->number()) <= kExact &&
                      found->number() == std::floor(found->number()));
  if (!whole || !in_range(found->number(), info)) return expected(key, *found, schema_text(schema));
  value =
      found->is(Value::Kind::integer) ? found->integer() : static_cast<int64_t>(found->number());
}

void ReadKeys::number(std::string_view key, double& value, KeyInfo info) {
  const Value schema = number_schema("number", info);
  const Value* found = find(key, info, schema);
  if (!found) return;
  if (!found->is_number() || !in_range(found->number(), info))
    return expected(key, *found, schema_text(schema));
  value = found->number();
}

void ReadKeys::string(std::string_view key, std::string& value, KeyInfo info) {
  const Value schema = string_schema();
  const Value* found = find(key, info, schema);
  if (!found) return;
  if (!found->is(Value::Kind::string)) return expected(key, *found, schema_text(schema));
  value = found->string();
}

void ReadKeys::custom(std::string_view key, CustomValue& value, KeyInfo info) {
  const Value* found = find(key, info, value.schema());
  if (!found) return;
  if (const auto wanted = value.read(*found)) {
    std::string hint;
    if (found->is(Value::Kind::string))
      hint = did_you_mean(found->string(), schema_words(value.schema()));
    expected(key, *found, *wanted, hint);
  }
}

void ReadKeys::object(std::string_view key, const std::function<void(Keys&)>& members, KeyInfo info,
                      bool* present) {
  const Value* found = find(key, info, Object{{"type", "object", {}}});
  if (present) *present = found != nullptr;
  if (!found) return;
  ReadKeys inner(*found, path_of(key), problems_);
  members(inner);
  inner.finish();
}

void ReadKeys::section(std::string_view key, std::string_view definition, KeyInfo info) {
  if (!take(key) && info.required) missing_.emplace_back(key, fmt::format("the {}", definition));
}

void ReadKeys::choice_index(std::string_view key, size_t& index,
                            const std::vector<std::string_view>& names, KeyInfo info) {
  const Value schema = choice_schema(names);
  const Value* found = find(key, info, schema);
  if (!found) return;
  std::string hint;
  if (found->is(Value::Kind::string)) {
    const auto match = std::find(names.begin(), names.end(), found->string());
    if (match != names.end()) {
      index = static_cast<size_t>(match - names.begin());
      return;
    }
    hint = did_you_mean(found->string(), names);
  }
  expected(key, *found, schema_text(schema), hint);
}

void ReadKeys::finish() {
  if (!object_.is(Value::Kind::object)) return;
  std::vector<std::string_view>
      free;  // known keys that the object does not have: what a typo meant
  for (std::string_view key : known_)
    if (!object_.find(key)) free.push_back(key);
  std::vector<std::string_view> meant;
  std::string choices;  // made once, there may be many unknown keys
  for (const Member& member : object_.object()) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    std::string_view near = nearest(member.key, free);
    if (near.empty()) near = nearest(member.key, known_);
    meant.push_back(near);
    std::string message = "unknown key";
    if (!near.empty()) {
      message += fmt::format("; did you mean \"{}\"?", near);
    } else if (known_.empty()) {
      message += ", expected none here";
    } else {
      if (choices.empty()) choices = listed(known_);
      message += ", expected one of " + choices;
    }
    problems_.add(member.origin, path_of(member.key), message);
  }
  std::erase_if(missing_, [&](const auto& missing) {
    return std::find(meant.begin(), meant.end(), missing.first) != meant.end();
  });
  for (const auto& [key, what] : missing_)
    problems_.add(object_.origin, path_of(key), fmt::format("missing key, expected {}", what));
}

bool ReadKeys::report_misspelt(const std::vector<std::string_view>& kinds) {
  if (!object_.is(Value::Kind::object)) return false;
  std::vector<std::string_view> candidates = kinds;
  candidates.insert(candidates.end(), known_.begin(), known_.end());
  for (const Member& member : object_.object()) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    const std::string_view near = nearest(member.key, candidates);
    if (std::find(kinds.begin(), kinds.end(), near) == kinds.end()) continue;
    problems_.add(member.origin, path_of(member.key),
                  fmt::format("unknown key; did you mean \"{}\"?", near));
    return true;
  }
  return false;
}

}  // namespace engine
