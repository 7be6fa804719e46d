#pragma once

// The tables of a sweep as files.

#include <string>
#include <vector>

#include "apps/sweep_session.h"

namespace engine {

struct SavedTables {
  std::string page;                ///< table.html
  std::vector<std::string> files;  ///< all that were written
};

/// Writes table.html, table.md and the CSV files into the sweep's folder: of what has ended so far.
/// Throws Error (storage).
SavedTables save_sweep_tables(const SweepSession& session, const SweepStore& store,
                              size_t baseline);

/// What the sweep says, a sentence for each configuration beside the baseline, on standard output.
void print_sentences(const SweepSession& session, const SweepStore& store, size_t baseline);

/// The configuration of that name. Throws Error (usage) with a suggestion.
size_t named_configuration(const Sweep& sweep, const std::string& name);

}  // namespace engine
