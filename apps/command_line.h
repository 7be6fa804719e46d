#pragma once

namespace engine {

/// Parses the arguments and runs the verb they name; returns its exit code. Help and the version go
/// to standard output. Throws Error (usage) with a suggestion for misspelt verbs and flags.
int run_command_line(int argc, char** argv);

}  // namespace engine
