#pragma once

// The document tree behind experiment files: JSON values that remember where they came from.
// JSON text itself is parsed and written in json.cpp, the only place that knows the JSON library.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace engine {

/// Where a value was written. file is a path as the user gave it, "--set train.epochs=5" for the
/// command line, or "default". line and column count from 1; 0 where there is no text.
struct Origin {
  std::string file;
  int line = 0;
  int column = 0;
};
std::string to_string(const Origin& origin);  ///< "noise.json:3:12", "--set seed=2", "default"

class Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  ///< in the order of the file

class Value {
 public:
  enum class Kind { null, boolean, integer, number, string, array, object };

  // All that makes or destroys a Value is defined behind Member, which a Value may hold.
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();
  Value(bool v);
  Value(int v);
  Value(int64_t v);
  Value(double v);
  Value(const char* v);
  Value(std::string v);
  Value(std::string_view v);
  Value(Array v);
  Value(Object v);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  std::string_view kind_name() const;  ///< "a string", "an object", ... as messages say it
  bool is(Kind k) const { return kind() == k; }
  bool is_number() const { return is(Kind::integer) || is(Kind::number); }

  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }
  double number() const;  ///< of an integer too
  const std::string& string() const { return std::get<std::string>(data_); }
  const Array& array() const { return std::get<Array>(data_); }
  Array& array() { return std::get<Array>(data_); }
  const Object& object() const { return std::get<Object>(data_); }
  Object& object() { return std::get<Object>(data_); }

  const Value* find(std::string_view key) const;  ///< null when absent or not an object
  Value* find(std::string_view key);
  Value& set(std::string_view key, Value v);  ///< adds or replaces a member of an object

  Origin origin;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

struct Member {
  std::string key;
  Value value;
  Origin origin;  ///< of the key
};

inline Value::Value() = default;
inline Value::Value(const Value&) = default;
inline Value::Value(Value&&) noexcept = default;
inline Value& Value::operator=(const Value&) = default;
inline Value& Value::operator=(Value&&) noexcept = default;
inline Value::~Value() = default;
inline Value::Value(bool v) : data_(v) {}
inline Value::Value(int v) : data_(int64_t{v}) {}
inline Value::Value(int64_t v) : data_(v) {}
inline Value::Value(double v) : data_(v) {}
inline Value::Value(const char* v) : data_(std::string(v)) {}
inline Value::Value(std::string v) : data_(std::move(v)) {}
inline Value::Value(std::string_view v) : data_(std::string(v)) {}

/// JSON text; indent < 0 gives one line. Numbers are written so that they read back bit for bit.
std::string to_json(const Value& value, int indent = 2);

}  // namespace engine
