#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/limits.h"
#include "engine/core/value.h"

namespace engine {

/// Turns byte offsets, asked for in rising order, into lines and columns.
class TextPositions {
 public:
  TextPositions(std::string_view text, const std::string& file);
  Origin origin(size_t offset);

 private:
  std::string_view text_;
  const std::string& file_;
  size_t at_ = 0;
  int line_ = 1, column_ = 1;
};

/// A walk over the text before the JSON library sees it: finds where each key and value starts, in
/// the order in which the parser will report them, and enforces the limits, so that nothing larger
/// than they allow is ever built. Understands just enough of the syntax for that; what is wrong
/// otherwise is left to the parser, which stops at the first mistake.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  /// Empty when within the limits; else what is wrong, at `error_at`.
  std::string scan();

  std::vector<size_t> starts;  ///< byte offsets of keys and values
  size_t error_at = 0;
  size_t last_token = 0;  ///< byte offset of the last token of any kind, an unfinished comment too

 private:
  std::string token();
  std::string consume();
  std::string begin_value(size_t length);
  size_t string_length() const;
  size_t word_length() const;
  void skip_comment();

  std::string_view text_;
  const Limits& limits_;
  size_t at_ = 0, depth_ = 0;
};

}  // namespace engine
