#pragma once

// Parts of a sweep's page as HTML. Empty: there is nothing to show.

#include <string>

#include "engine/sweep/results.h"

namespace engine::page_sections {

std::string configurations(const SweepResults& results);
std::string factors(const SweepResults& results);
std::string matrix(const SweepResults& results);
std::string failures(const SweepResults& results);
std::string method(const SweepResults& results);

/// A name from a file: its direction of writing stays its own.
std::string name(std::string_view text);

}  // namespace engine::page_sections
