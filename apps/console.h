#pragma once

#include <string>
#include <string_view>

namespace engine {

/// Text that a terminal only shows: control characters (but for line breaks when keep_lines) and
/// marks that reverse the writing direction become '?'. Names and messages may come from files.
std::string printable(std::string_view text, bool keep_lines);

/// A message on standard error, in its own line.
void print_error(std::string_view message);

/// The command that started this program, as a shell takes it; without the words that only say what
/// to do with an earlier run (--resume, --overwrite).
std::string typed_command();

}  // namespace engine
