#pragma once

#include <string_view>

namespace engine::page_parts {

/// The files of engine/report/page and Chart.js, as they are.
std::string_view html();
std::string_view style();
std::string_view script();
std::string_view chart();

}  // namespace engine::page_parts
