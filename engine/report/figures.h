#pragma once

#include <string>

#include "engine/core/file.h"
#include "engine/core/value.h"

namespace engine {

// The figures of a run as SVG files: from the report's document (page/data.md), on a white ground,
// without scripts. Empty: the document has nothing for it (yet).
std::string curves_figure(const Value& document);
std::string confusion_figure(const Value& document);
std::string reliability_figure(const Value& document);
std::string stages_figure(const Value& document);
std::string predictions_figure(const Value& document);
std::string counts_figure(const Value& document);

/// Writes pictures/ of a run folder; a figure that there is nothing for is not left from before.
/// Throws Error (storage).
void save_figures(FileSystem& files, const std::string& folder, const Value& document);

/// Saves text as a file, in a folder that is made for it; an empty text: takes the file away.
/// Throws Error (storage).
void save_or_remove(FileSystem& files, const std::string& path, const std::string& text);

}  // namespace engine
