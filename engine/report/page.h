#pragma once

#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace engine {

/// report.html around a document (page/data.md): one file that fetches nothing. Its policy lets a
/// browser run the page's own scripts, named by their hashes, and nothing else.
std::string report_page(const Value& document);

/// JSON that may stand inside a script element: no "<", and none of the two line ends that JSON
/// allows and old scripts do not.
std::string json_in_html(const Value& document);

/// Text between tags.
std::string escape_html(std::string_view text);

}  // namespace engine
