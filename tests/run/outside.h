#pragma once

// Programs from outside, as judges.

#include <sys/wait.h>

#include <cstdio>
#include <optional>
#include <string>

#include "tests/support/paths.h"

namespace engine::test {

/// What a command prints; nothing when it fails.
inline std::optional<std::string> output_of(const std::string& command) {
  FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
  if (!pipe) return std::nullopt;
  std::string text;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, got);
  const int status = pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return text;
}

inline bool have_python(const std::string& modules = "sys") {
  return output_of("python3 -c 'import " + modules + "'").has_value();
}

inline std::string quoted(const std::string& path) {
  return "'" + path + "'";
}

}  // namespace engine::test
