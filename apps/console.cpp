#include "apps/console.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace engine {
void print_error(std::string_view message) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", printable(message, true));
}

std::string typed_command() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string command, word;
  while (std::getline(file, word, '\0')) {
    if (command.empty()) word = "engine";
    if (word == "--resume" || word == "--overwrite") continue;
    command += (command.empty() ? "" : " ") + shell_word(word);
  }
  return command;
}

}  // namespace engine
