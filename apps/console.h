#pragma once

#include <string>
#include <string_view>

#include "engine/core/text.h"

namespace engine {

/// A message on standard error, in its own line.
void print_error(std::string_view message);

/// The command that started this program, as a shell takes it; without the words that only say what
/// to do with an earlier run (--resume, --overwrite).
std::string typed_command();

}  // namespace engine
