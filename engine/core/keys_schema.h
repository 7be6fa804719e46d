#pragma once

// JSON Schema (draft-07) fragments of single keys, and what they say in words. Messages, the
// reference page and the schema all come from these.

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/keys.h"

namespace engine {

Value boolean_schema();
Value string_schema();
Value number_schema(std::string_view type, const KeyInfo& info);  ///< "integer" or "number"
Value choice_schema(const std::vector<std::string_view>& names);
Value any_of(Array schemas);
bool in_range(double value, const KeyInfo& info);
/// The words that a schema allows ("same", "valid"): what a misspelt word may have meant.
std::vector<std::string_view> schema_words(const Value& schema);

}  // namespace engine
