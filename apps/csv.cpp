#include "apps/csv.h"

#include "apps/console.h"

namespace engine {

std::string csv_cell(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  const bool formula = first != std::string_view::npos &&
                       std::string_view("=+-@\t\r\n").find(text[first]) != std::string_view::npos;
  std::string cell = formula ? "\"'" : "\"";
  for (const char c : printable(text, false)) {
    if (c == '"') cell += c;
    cell += c;
  }
  return cell + '"';
}

}  // namespace engine
