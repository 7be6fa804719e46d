#pragma once

// Addresses in what a sweep writes, relative to the sweep's folder.

#include <string>
#include <string_view>

#include "engine/sweep/results.h"

namespace engine {

/// A path with all but letters, digits, "-._~" and "/" as %XX. Empty: it would lead out of the
/// sweep's folder (absolute, or with ".."), and is no link.
std::string encoded_path(std::string_view path);
/// "points/noise-seed1-3f5c8e21/report.html"; empty for what is no folder's name.
std::string report_link(std::string_view folder);
/// Points that run have a report as much as those that are done.
inline bool has_report(PointState state) {
  return state == PointState::done || state == PointState::running;
}

}  // namespace engine
