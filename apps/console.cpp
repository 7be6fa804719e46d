#include "apps/console.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace engine {
namespace {

/// A word as a shell takes it.
std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

}  // namespace

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
    command += (command.empty() ? "" : " ") + quoted(word);
  }
  return command;
}

}  // namespace engine
