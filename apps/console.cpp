#include "apps/console.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace engine {
namespace {

/// Bytes of the unwanted character at text[0]; 0 when it may pass.
size_t unwanted(std::string_view text, bool keep_lines) {
  const auto byte = [text](size_t i) -> unsigned char {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  if (byte(0) == '\n') return keep_lines ? 0 : 1;
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0) return 2;  // C1 controls
  if (byte(0) != 0xE2) return 0;
  const bool embedding = byte(1) == 0x80 && byte(2) >= 0xAA && byte(2) <= 0xAE;  // U+202A..E
  const bool isolate = byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;    // U+2066..9
  return embedding || isolate ? 3 : 0;
}

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

std::string printable(std::string_view text, bool keep_lines) {
  std::string result;
  while (!text.empty()) {
    const size_t skip = unwanted(text, keep_lines);
    if (text.front() == '\t') {
      result += ' ';
    } else {
      result += skip ? '?' : text.front();
    }
    text.remove_prefix(skip ? skip : 1);
  }
  return result;
}

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
