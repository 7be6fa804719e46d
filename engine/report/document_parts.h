#pragma once

// Reading a report's document (page/data.md) without trust: the file that it comes from may have
// been changed. What is missing or of another kind reads as nothing.

#include <cmath>
#include <limits>
#include <string_view>

#include "engine/core/value.h"

namespace engine::parts {

inline const Value& at(const Value& value, std::string_view key) {
  static const Value nothing;
  const Value* found = value.find(key);
  return found ? *found : nothing;
}

inline const Array& list(const Value& value) {
  static const Array nothing;
  return value.is(Value::Kind::array) ? value.array() : nothing;
}
inline const Array& list(const Value& value, std::string_view key) {
  return list(at(value, key));
}

/// NaN: not a number.
inline double number(const Value& value) {
  return value.is_number() ? value.number() : std::numeric_limits<double>::quiet_NaN();
}
inline double number(const Value& value, std::string_view key) {
  return number(at(value, key));
}

inline std::string_view text(const Value& value) {
  return value.is(Value::Kind::string) ? std::string_view(value.string()) : std::string_view();
}
inline std::string_view text(const Value& value, std::string_view key) {
  return text(at(value, key));
}

/// A name by its index; empty where there is none.
inline std::string_view name_at(const Array& names, const Value& index) {
  const double place = number(index);
  if (!(place >= 0) || place >= static_cast<double>(names.size())) return {};
  return text(names[static_cast<size_t>(place)]);
}

}  // namespace engine::parts
