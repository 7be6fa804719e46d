#pragma once

// From descriptions of keys to what editors and people read: JSON Schema (draft-07) of whole
// objects, and tables in Markdown.

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/keys_reader.h"

namespace engine {

/// The descriptions of everything that has a function keys(Keys&).
template <class Kind>
std::vector<KeyDescription> describe_keys(Kind& kind) {
  DescribeKeys keys;
  kind.keys(keys);
  return std::move(keys.keys);
}

/// {"$ref": "#/definitions/NAME"}.
Value schema_reference(const std::string& definition);
Value described(Value schema, std::string_view doc);
/// An array of strings, one or more.
Value string_list_schema();
/// An object schema that takes these keys and no others.
Value object_schema(std::string_view doc);
Value& schema_properties(Value& object);

struct AddKeysOptions {
  Value or_else;               ///< a schema that every value may follow instead; null: none
  bool with_required = false;  ///< required keys are
};
void add_keys(Value& object, const std::vector<KeyDescription>& keys,
              const AddKeysOptions& options = {});

/// A table of keys, and one for each object inside it under a heading with its path.
void add_key_tables(const std::string& path, const std::vector<KeyDescription>& keys,
                    std::string& out);
std::string key_table(const std::vector<KeyDescription>& keys);

}  // namespace engine
