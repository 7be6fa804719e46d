#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/text.h"

namespace engine {

/// A message on standard error, in its own line.
void print_error(std::string_view message);

/// Path of the program that runs; empty when the system does not say.
std::string this_program();

/// Names of files that a verb wrote, on standard output; json: as {"files": [...]}.
void print_files(const std::vector<std::string>& files, bool json);

/// The command that started this program, as a shell takes it; without the words that only say what
/// to do with an earlier run (--resume, --overwrite).
std::string typed_command();

}  // namespace engine
