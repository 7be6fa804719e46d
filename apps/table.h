#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/text.h"

namespace engine {

/// Text in columns that fits a terminal. Control bytes in cells are replaced, so names from files
/// cannot steer the terminal.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
    bool elastic = false;  ///< its cells are cut ("...") when the table is wider than the terminal
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void add_rule() { rows_.emplace_back(); }
  std::string text(size_t width = 80) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  ///< empty: a rule
};

}  // namespace engine
