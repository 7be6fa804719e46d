#pragma once

#include <string>
#include <string_view>

namespace engine {

/// Text as a cell of CSV (RFC 4180), in quotes. Control characters become '?' (tabs a space), and a
/// spreadsheet does not take it for a formula: what begins with = + - @ or a tab or line break,
/// also after spaces, gets a ' in front.
std::string csv_cell(std::string_view text);

}  // namespace engine
