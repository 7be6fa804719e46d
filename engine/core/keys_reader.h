#pragma once

// The three visitors over Keys: reading an object of a file, describing the keys for schema and
// reference, and writing the resolved object. See keys.h.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/keys.h"
#include "engine/core/problems.h"

namespace engine {

/// "train" and "epochs" make "train.epochs".
std::string join_path(std::string_view path, std::string_view key);
/// `an integer >= 1, "same" or an array of 2 integers`: a schema fragment in words.
std::string schema_text(const Value& schema);
/// A value as messages show what they got: `"adm"`, `3.5`, `an object`.
std::string got_text(const Value& value);

/// Reads the members of an object. Everything that is wrong goes to problems; what is wrong or
/// absent keeps its default. finish() reports what only the whole shows: unknown and missing keys.
class ReadKeys final : public Keys {
 public:
  ReadKeys(const Value& object, std::string path, Problems& problems);

  void boolean(std::string_view key, bool& value, KeyInfo info) override;
  void integer(std::string_view key, int64_t& value, KeyInfo info) override;
  void number(std::string_view key, double& value, KeyInfo info) override;
  void string(std::string_view key, std::string& value, KeyInfo info) override;
  void custom(std::string_view key, CustomValue& value, KeyInfo info) override;
  void object(std::string_view key, const std::function<void(Keys&)>& members, KeyInfo info,
              bool* present) override;
  void section(std::string_view key, std::string_view definition, KeyInfo info) override;

  /// A key that the caller reads itself: known from now on. Null when absent.
  const Value* take(std::string_view key);
  /// The value stands for one that is not known yet ("$c1" inside a block): taken as good, unread.
  void leave_out(std::string_view key);
  /// Messages about this key show another path ("network.inception_a.c1" gave the value of
  /// "filters").
  void show_as(std::string_view key, std::string path);
  std::string path_of(std::string_view key) const;
  /// What a member must be, in words; reports it as wrong.
  void expected(std::string_view key, const Value& got, std::string_view what,
                std::string_view hint = {});
  void finish();
  /// For an object without the key that says what kind it is, so that its other keys cannot be
  /// judged. Reports the member that is most likely a misspelling of one of kinds and returns true.
  bool report_misspelt(const std::vector<std::string_view>& kinds);

 protected:
  void choice_index(std::string_view key, size_t& index, const std::vector<std::string_view>& names,
                    KeyInfo info) override;

 private:
  const Value* find(std::string_view key, const KeyInfo& info, const Value& schema);

  const Value& object_;
  std::string path_;
  Problems& problems_;
  std::vector<std::string_view> known_;
  std::vector<std::pair<std::string, std::string>> missing_;  ///< key, what was expected
  std::vector<std::string> left_out_;
  std::vector<std::pair<std::string, std::string>> shown_as_;
};

/// What the schema and the reference page say about one key.
struct KeyDescription {
  std::string key;
  std::string doc;
  bool required = false;
  Value default_value;                  ///< null when there is none to speak of
  Value schema;                         ///< without description and default
  std::string definition;               ///< of a section
  std::vector<KeyDescription> members;  ///< of an object
};

class DescribeKeys final : public Keys {
 public:
  void boolean(std::string_view key, bool& value, KeyInfo info) override;
  void integer(std::string_view key, int64_t& value, KeyInfo info) override;
  void number(std::string_view key, double& value, KeyInfo info) override;
  void string(std::string_view key, std::string& value, KeyInfo info) override;
  void custom(std::string_view key, CustomValue& value, KeyInfo info) override;
  void object(std::string_view key, const std::function<void(Keys&)>& members, KeyInfo info,
              bool* present) override;
  void section(std::string_view key, std::string_view definition, KeyInfo info) override;

  std::vector<KeyDescription> keys;

 protected:
  void choice_index(std::string_view key, size_t& index, const std::vector<std::string_view>& names,
                    KeyInfo info) override;

 private:
  void add(std::string_view key, const KeyInfo& info, Value default_value, Value schema);
};

/// Writes every key with the value that it has. Values take their origins from source, where it has
/// the key; the others come from "default". An object that the file leaves out, and that says
/// whether it is present, stays out. Sections are copied from source; the caller may replace them.
class WriteKeys final : public Keys {
 public:
  explicit WriteKeys(const Value& source);

  void boolean(std::string_view key, bool& value, KeyInfo info) override;
  void integer(std::string_view key, int64_t& value, KeyInfo info) override;
  void number(std::string_view key, double& value, KeyInfo info) override;
  void string(std::string_view key, std::string& value, KeyInfo info) override;
  void custom(std::string_view key, CustomValue& value, KeyInfo info) override;
  void object(std::string_view key, const std::function<void(Keys&)>& members, KeyInfo info,
              bool* present) override;
  void section(std::string_view key, std::string_view definition, KeyInfo info) override;

  Value result;

 protected:
  void choice_index(std::string_view key, size_t& index, const std::vector<std::string_view>& names,
                    KeyInfo info) override;

 private:
  void put(std::string_view key, Value value);
  const Value& source_;
};

}  // namespace engine
