#include "apps/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/console.h"

namespace engine {
namespace {

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Characters of UTF-8 text; wide scripts count as one, which only costs alignment.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::string cut(const std::string& text, size_t width) {
  if (width_of(text) <= width) return text;
  const size_t keep = width > 3 ? width - 3 : 0;
  size_t end = 0, seen = 0;
  while (end < text.size() && (seen < keep || continues_character(text[end]))) {
    if (!continues_character(text[end])) ++seen;
    ++end;
  }
  return text.substr(0, end) + std::string(std::min<size_t>(3, width), '.');
}

std::string pad(const std::string& text, size_t width, Table::Align align) {
  const std::string fill(width - std::min(width, width_of(text)), ' ');
  return align == Table::Align::left ? text + fill : fill + text;
}

}  // namespace

std::string Table::text(size_t width) const {
  std::vector<size_t> widths;
  for (const auto& column : columns_) widths.push_back(width_of(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
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
      one += pad(cut(printable(cell_of(i), false), widths[i]), widths[i], columns_[i].align);
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

std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  for (int i = static_cast<int>(digits.size()) - 3; i > (number < 0 ? 1 : 0); i -= 3) {
    digits.insert(static_cast<size_t>(i), ",");
  }
  return digits;
}

std::string short_count(int64_t number) {
  static constexpr std::array kUnits{"", " k", " M", " G", " T", " P"};
  double value = static_cast<double>(number);
  size_t unit = 0;
  while (std::fabs(value) >= 999.5 && unit + 1 < kUnits.size()) value /= 1000, ++unit;
  return unit == 0 ? std::to_string(number)
                   : fmt::format("{:.{}f}{}", value, value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string short_bytes(uint64_t bytes) {
  static constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{:.{}f} {}", value, value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string short_seconds(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace engine
