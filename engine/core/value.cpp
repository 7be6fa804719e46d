#include "engine/core/value.h"

#include <fmt/format.h>  // format

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/core/json.h"

namespace engine {
namespace {

std::string number_text(double v) {
  if (!std::isfinite(v)) return "null";  // JSON has no other word for it
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".e") == text.npos) text += ".0";  // stays a number when read back
  return text;
}

bool is_scalar(const Value& v) {
  return !v.is(Value::Kind::array) && !v.is(Value::Kind::object);
}

void write(const Value& value, int indent, int level, std::string& out);

/// The elements of an array or object; put(i) writes one. On one line when there is no indent.
template <class Put>
void write_elements(size_t count, std::string_view brackets, bool one_line, int indent, int level,
                    std::string& out, const Put& put) {
  const auto line = [&](int at) {
    if (!one_line) out += '\n' + std::string(static_cast<size_t>(indent * at), ' ');
  };
  out += brackets[0];
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += one_line && indent >= 0 ? ", " : ",";
    line(level + 1);
    put(i);
  }
  if (count > 0) line(level);
  out += brackets[1];
}

void write(const Value& value, int indent, int level, std::string& out) {
  switch (value.kind()) {
    case Value::Kind::null:
      out += "null";
      return;
    case Value::Kind::boolean:
      out += value.boolean() ? "true" : "false";
      return;
    case Value::Kind::integer:
      out += std::to_string(value.integer());
      return;
    case Value::Kind::number:
      out += number_text(value.number());
      return;
    case Value::Kind::string:
      out += json_string(value.string());
      return;
    case Value::Kind::array: {
      const Array& array = value.array();
      const bool flat = indent < 0 || std::all_of(array.begin(), array.end(), is_scalar);
      write_elements(array.size(), "[]", flat, indent, level, out,
                     [&](size_t i) { write(array[i], indent, level + 1, out); });
      return;
    }
    case Value::Kind::object: {
      const Object& object = value.object();
      write_elements(object.size(), "{}", indent < 0, indent, level, out, [&](size_t i) {
        out += json_string(object[i].key);
        out += indent < 0 ? ":" : ": ";
        write(object[i].value, indent, level + 1, out);
      });
      return;
    }
  }
}

}  // namespace

std::string to_string(const Origin& origin) {
  if (origin.line == 0) return origin.file;
  return fmt::format("{}:{}:{}", origin.file, origin.line, origin.column);
}

Value::Value(Array v) : data_(std::move(v)) {}
Value::Value(Object v) : data_(std::move(v)) {}

std::string_view Value::kind_name() const {
  switch (kind()) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "an integer";
    case Kind::number:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::array:
      return "an array";
    case Kind::object:
      return "an object";
  }
  return "";
}

double Value::number() const {
  if (is(Kind::integer)) return static_cast<double>(integer());
  return std::get<double>(data_);
}

const Value* Value::find(std::string_view key) const {
  if (!is(Kind::object)) return nullptr;
  for (const Member& member : object())
    if (member.key == key) return &member.value;
  return nullptr;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(static_cast<const Value*>(this)->find(key));
}

Value& Value::set(std::string_view key, Value v) {
  if (Value* found = find(key)) return *found = std::move(v);
  object().push_back({std::string(key), std::move(v), {}});
  return object().back().value;
}

std::string to_json(const Value& value, int indent) {
  std::string out;
  write(value, indent, 0, out);
  return out;
}

}  // namespace engine
