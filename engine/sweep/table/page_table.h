#pragma once

// Tables and figures of a sweep's page.

#include <string>
#include <string_view>
#include <vector>

namespace engine::page_sections {

std::string number_cell(std::string_view text);
/// rows: HTML. kinds: a letter for each column, 't' of text, 'n' of numbers. tall: it scrolls by
/// itself when it is longer than a screen. It always scrolls sideways, by keyboard too.
std::string table(std::string_view caption, std::string_view kinds,
                  const std::vector<std::string_view>& columns, const std::string& rows,
                  bool tall = false);
/// fluid: the figure is as wide as its place; else it scrolls sideways where it is wider.
std::string page_figure(const std::string& svg, std::string_view caption, bool fluid);

}  // namespace engine::page_sections
