#pragma once

// One description of the keys of an object drives everything: reading and checking a file, filling
// in defaults, writing the resolved file, the reference page and the JSON Schema. A configurable
// type has a function
//
//   void keys(Keys& k) {
//     k.integer("filters", filters, {.doc = "Number of output channels.", .required = true,
//     .minimum = 1}); k.choice("activation", activation, {{"none", Activation::none}, {"relu",
//     Activation::relu}},
//              {.doc = "Applied to the result."});
//   }
//
// that names each member once. The value that the member holds before reading is the default.

#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/value.h"

namespace engine {

struct KeyInfo {
  std::string_view doc;  ///< one sentence, ends with a full stop; the reference page prints it
  bool required = false;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool exclusive_minimum = false;  ///< minimum itself is not allowed
  bool exclusive_maximum = false;
};

/// A value that may be written in several ways ("same", 3 or [3, 5]).
class CustomValue {
 public:
  virtual ~CustomValue() = default;
  /// Takes the value; on failure leaves *this alone and returns what was expected
  /// ("\"same\", \"valid\", a number or four numbers").
  virtual std::optional<std::string> read(const Value& value) = 0;
  virtual Value write() const = 0;
  virtual Value schema() const = 0;  ///< a JSON Schema draft-07 fragment, without description
};

class Keys {
 public:
  virtual ~Keys() = default;
  virtual void boolean(std::string_view key, bool& value, KeyInfo info) = 0;
  virtual void integer(std::string_view key, int64_t& value, KeyInfo info) = 0;
  virtual void number(std::string_view key, double& value, KeyInfo info) = 0;
  virtual void string(std::string_view key, std::string& value, KeyInfo info) = 0;
  virtual void custom(std::string_view key, CustomValue& value, KeyInfo info) = 0;
  /// An object of keys of its own. present, when given, tells whether the file has it.
  virtual void object(std::string_view key, const std::function<void(Keys&)>& members, KeyInfo info,
                      bool* present = nullptr) = 0;
  /// A part that the caller reads itself; definition is its name among the schema's definitions.
  virtual void section(std::string_view key, std::string_view definition, KeyInfo info) = 0;

  template <class Enum>
  void choice(std::string_view key, Enum& value,
              std::initializer_list<std::pair<std::string_view, Enum>> choices, KeyInfo info) {
    std::vector<std::string_view> names;
    size_t index = 0;
    for (const auto& [name, meaning] : choices) {
      if (meaning == value) index = names.size();
      names.push_back(name);
    }
    choice_index(key, index, names, info);
    value = (choices.begin() + index)->second;
  }

 protected:
  virtual void choice_index(std::string_view key, size_t& index,
                            const std::vector<std::string_view>& names, KeyInfo info) = 0;
};

}  // namespace engine
