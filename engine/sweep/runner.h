#pragma once

// Does the points of a sweep: claims one, runs it as a process, writes how it ended, takes the
// next.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/run/progress.h"
#include "engine/run/signals.h"
#include "engine/sweep/point_queue.h"

namespace engine {

/// A place where one point at a time can run.
struct Slot {
  std::string name;                                ///< "cores 0-3", "GPU-7d2c..."
  std::vector<int> cores;                          ///< that its runs may use; empty: all
  std::map<std::string, std::string> environment;  ///< added for its runs
  std::vector<std::string> words;                  ///< added to their command lines
};

struct SweepRunOptions {
  std::string program;             ///< the engine
  std::vector<std::string> words;  ///< added to each command line: --data-dir and such
  std::vector<Slot> slots;
  Shard shard;
  bool retry_failed = false;
};

/// Of the points of the shard.
struct SweepOutcome {
  size_t done = 0, failed = 0, skipped = 0;
  size_t elsewhere = 0;  ///< somebody else works on them
  size_t left = 0;       ///< not begun, or stopped
  bool stopped = false;  ///< a signal came before all had ended
};

/// Returns when every point of the shard has ended, those that others work on too. A point that
/// needs another one waits for it while somebody works on it, and does it first where nobody does,
/// also one of another shard. A signal stops the runs with checkpoints. Throws Error.
SweepOutcome run_sweep(const Sweep& sweep, const SweepStore& store, FileSystem& files,
                       const SweepRunOptions& options, const StopSignals& signals,
                       Progress& progress);

}  // namespace engine
