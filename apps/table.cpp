#include "apps/table.h"

#include <algorithm>

#include "engine/core/text.h"

namespace engine {
namespace {

std::string pad(const std::string& text, size_t width, Table::Align align) {
  const std::string fill(width - std::min(width, columns_of(text)), ' ');
  return align == Table::Align::left ? text + fill : fill + text;
}

}  // namespace

std::string Table::text(size_t width) const {
  std::vector<size_t> widths;
  for (const auto& column : columns_) widths.push_back(columns_of(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  size_t gap = 2, total = gap * (columns_.size() - 1);
  for (size_t w : widths) total += w;
  if (total > width) {
    gap = 1;
    total -= columns_.size() - 1;
  }
  // The widest elastic column gives a character until the table fits or nothing is left to give.
  while (total > width) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (columns_[i].elastic && widths[i] > 8 && (!widest || widths[i] > *widest))
        widest = &widths[i];
    }
    if (!widest) break;
    --*widest;
    --total;
  }
  std::string result;
  const auto line = [&](const auto& cell_of) {
    std::string one;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i) one.append(gap, ' ');
      one += pad(cut_to(printable(cell_of(i), false), widths[i]), widths[i], columns_[i].align);
    }
    one.erase(one.find_last_not_of(' ') + 1);
    result += one + '\n';
  };
  const std::string rule(std::min(total, width), '-');
  line([&](size_t i) { return columns_[i].title; });
  result += rule + '\n';
  for (const auto& row : rows_) {
    if (row.empty()) {
      result += rule + '\n';
    } else {
      line([&](size_t i) { return i < row.size() ? row[i] : std::string(); });
    }
  }
  return result;
}

}  // namespace engine
