#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/file.h"
#include "engine/core/value.h"
#include "engine/report/predictions.h"

namespace engine {

/// A text as a cell of a CSV file: quoted where RFC 4180 asks for it, and with an apostrophe before
/// what a spreadsheet would take for a formula (=, +, -, @, tab or line break first; OWASP). Not
/// for numbers.
std::string csv_text(std::string_view text);

// Tables of a run, with a line of names first; numbers read back bit for bit. From the report's
// document (page/data.md); empty where it has nothing for them (yet).
std::string per_class_csv(const Value& document);
std::string confusion_csv(const Value& document);
/// A line for each test image. row counts from 0 in the test set.
std::string predictions_csv(std::span<const Prediction> all,
                            const std::vector<std::string>& classes);

// Write tables/ of a run folder; a table that there is nothing for is not left from before. Throw
// Error (storage).
void save_tables(FileSystem& files, const std::string& folder, const Value& document);
void save_predictions(FileSystem& files, const std::string& folder, std::span<const Prediction> all,
                      const std::vector<std::string>& classes);

}  // namespace engine
