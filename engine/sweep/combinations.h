#pragma once

// The values that grid and random give: one combination for each configuration of a point.

#include <cstddef>
#include <vector>

#include "engine/sweep/sweep_file.h"

namespace engine {

using Combination = std::vector<Setting>;

/// Every combination of the grid, the last key fastest; without a grid one, of nothing.
std::vector<Combination> combinations(const std::vector<Factor>& grid);

/// What "random" draws, count times; draws that repeat another are left out and counted. Without
/// "random" one, of nothing.
std::vector<Combination> draws(const SweepFile& file, size_t& repeated);

}  // namespace engine
