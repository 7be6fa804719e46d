#pragma once

#include <string>
#include <vector>

#include "engine/core/value.h"

namespace engine {

/// The document in a run folder's report.html (page/data.md). Throws Error (data) when the folder
/// is not a run's, or its report is missing or not the engine's.
Value read_report(const std::string& folder);

/// What a page that compares runs is given. Of each run stays what can be compared: pictures,
/// matrices and predictions go. Runs of the same name are called by their folders. The page will
/// lie in folder `place`, from where it links the runs' own reports.
Value comparison(std::vector<Value> reports, const std::vector<std::string>& folders,
                 const std::string& place);

}  // namespace engine
