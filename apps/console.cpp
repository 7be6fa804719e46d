#include "apps/console.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/core/value.h"

namespace engine {
void print_error(std::string_view message) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", printable(message, true));
}

std::string this_program() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored);
}

void print_files(const std::vector<std::string>& files, bool json) {
  if (json) {
    Value result{Object{}};
    result.set("files", Array(files.begin(), files.end()));
    fmt::print("{}\n", to_json(result));
  } else {
    for (const std::string& file : files) fmt::print("{}\n", file);
  }
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
