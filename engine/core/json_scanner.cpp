#include "engine/core/json_scanner.h"

#include <fmt/format.h>  // format

#include <algorithm>

namespace engine {

TextPositions::TextPositions(std::string_view text, const std::string& file)
    : text_(text), file_(file) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

Origin TextPositions::origin(size_t offset) {
  for (; at_ < offset && at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    // A lone carriage return ends a line too, as old editors wrote it.
    if (c == '\n' || (c == '\r' && text_.substr(at_ + 1, 1) != "\n")) {
      ++line_;
      column_ = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++column_;
    }
  }
  return {file_, line_, column_};
}

std::string JsonScanner::scan() {
  if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF"))
    return "expected UTF-8 text, got UTF-16; save the file as UTF-8";
  if (const size_t nul = text_.find('\0'); nul != text_.npos) {
    error_at = nul;
    return "expected text, got a NUL byte";
  }
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  while (at_ < text_.size()) {
    error_at = at_;
    if (std::string problem = token(); !problem.empty()) return problem;
  }
  return {};
}

std::string JsonScanner::token() {
  const size_t begin = at_;
  const char first = text_[at_];
  std::string problem = consume();
  const bool unfinished = first == '/' && at_ == text_.size();
  if (std::string_view(" \t\r\n/").find(first) == std::string_view::npos || unfinished)
    last_token = begin;
  return problem;
}

std::string JsonScanner::consume() {
  switch (text_[at_]) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
    case ',':
    case ':':
      ++at_;
      return {};
    case '[':
    case '{':
      if (++depth_ > limits_.depth)
        return fmt::format("expected at most {} levels of brackets", limits_.depth);
      return begin_value(1);
    case ']':
    case '}':
      if (depth_ > 0) --depth_;
      ++at_;
      return {};
    case '/':
      skip_comment();
      return {};
    case '"':
      return begin_value(string_length());
    default:
      return begin_value(word_length());
  }
}

std::string JsonScanner::begin_value(size_t length) {
  if (length > limits_.string_bytes + 2)  // the quotes
    return fmt::format("expected a string of at most {} bytes, got {}", limits_.string_bytes,
                       length - 2);
  if (starts.size() == 2 * limits_.values)  // a key and a value each
    return fmt::format("expected at most {} values in a file", limits_.values);
  starts.push_back(at_);
  at_ += length;
  return {};
}

size_t JsonScanner::string_length() const {
  size_t end = at_ + 1;
  while (end < text_.size() && text_[end] != '"' && text_[end] != '\n')
    end += text_[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text_.size()) - at_;
}

size_t JsonScanner::word_length() const {
  const size_t end = text_.find_first_of(" \t\n\r,:[]{}\"/", at_ + 1);
  return std::min(end, text_.size()) - at_;
}

void JsonScanner::skip_comment() {
  size_t end;
  if (text_.substr(at_, 2) == "//") {
    end = text_.find_first_of("\n\r", at_);
  } else if (text_.substr(at_, 2) == "/*") {
    end = text_.find("*/", at_ + 2);
    if (end != text_.npos) end += 2;
  } else {
    end = at_ + 1;
  }
  at_ = std::min(end, text_.size());
}

}  // namespace engine
