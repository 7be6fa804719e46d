#pragma once

// The keys of sweep files: one description for reading, schema and reference.

#include "engine/core/keys.h"
#include "engine/sweep/sweep_file.h"

namespace engine {

/// The top level; "set", "grid", "random", "points" and "seeds" are sections.
void sweep_keys(Keys& keys, SweepFile& file);
/// An element of "points"; "set" is a section.
void point_keys(Keys& keys, PointSpec& point);
KeyInfo random_count_info();
KeyInfo random_seed_info();

/// Points but for their seeds; more than 2^63 - 1 count as that.
int64_t count_configurations(const SweepFile& file);

}  // namespace engine
