#pragma once

// What the verbs of `engine sweep` share.

#include <string>
#include <vector>

#include "apps/options.h"
#include "engine/sweep/results.h"
#include "engine/sweep/store.h"
#include "engine/sweep/sweep.h"

namespace engine {

struct SweepArguments {
  SharedOptions shared;  ///< file is the sweep file
  std::string out;       ///< --out
};

void add_sweep(Arguments& arguments, SweepArguments& options);  ///< FILE, --out, --set, --json

struct SweepSession {
  Registry registry;
  Sweep sweep;
  std::string folder;               ///< --out, or sweeps/NAME
  std::vector<int64_t> parameters;  ///< trainable ones of each configuration's network
};

/// Reads the sweep file and checks every point, its network's shapes too. Throws Error (experiment)
/// with everything that is wrong.
SweepSession open_sweep(const SweepArguments& arguments);

/// What has become of each point, in the sweep's order.
std::vector<PointResult> point_results(const Sweep& sweep, const SweepStore& store);

// The verbs.
Action declare_sweep_plan(Arguments& arguments);
Action declare_sweep_run(Arguments& arguments);
Action declare_sweep_submit(Arguments& arguments);
Action declare_sweep_status(Arguments& arguments);
Action declare_sweep_table(Arguments& arguments);

}  // namespace engine
