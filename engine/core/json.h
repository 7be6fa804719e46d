#pragma once

// JSON text <-> Value. The only part of the engine that knows a JSON library.

#include <optional>
#include <string>
#include <string_view>

#include "engine/core/limits.h"
#include "engine/core/problems.h"
#include "engine/core/value.h"

namespace engine {

/// Parses JSON with // and /* */ comments, UTF-8 with or without a byte order mark. Every value and
/// key gets the line and column (in characters, from 1) where it starts in `file`, the name to use
/// in messages. Syntax errors, duplicate keys and whatever is over the limits are reported; then
/// the result is empty (after duplicate keys alone it is not: the first of them counts). Integers
/// that int64 cannot hold become numbers; numbers that double cannot hold are errors.
std::optional<Value> parse_json(std::string_view text, const std::string& file, Problems& problems,
                                const Limits& limits = kLimits);

/// The same for callers with a single document: throws Error (code) with everything found.
Value parse_json_or_throw(std::string_view text, const std::string& file, ExitCode code,
                          const Limits& limits = kLimits);

/// Reads a regular file of at most limits.file_bytes. Throws Error (experiment) that says what is
/// wrong with it: missing, a folder, too large.
std::string read_json_text(const std::string& file, const Limits& limits = kLimits);

/// A string as JSON writes it, quotes and escapes included; control characters never come out raw.
std::string json_string(std::string_view text);

}  // namespace engine
