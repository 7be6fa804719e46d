#pragma once

// Which places a sweep's runs have on this machine.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/sweep/runner.h"

namespace engine {

struct SlotOptions {
  std::string program;      ///< the engine: it is asked for its devices
  std::string device;       ///< --device
  int64_t threads = 0;      ///< --threads; 0: all cores of the slot
  int64_t jobs = 0;         ///< --jobs; 0: not given
  int64_t concurrency = 1;  ///< on the CPU, where jobs is not given
  int64_t per_gpu = 1;
  const Sweep* sweep = nullptr;  ///< with per_gpu over 1: its runs must fit side by side
};

struct Slots {
  std::vector<Slot> slots;
  std::string note;  ///< why there are fewer than were asked for; empty: there are not
};

/// GPUs that can be used: per_gpu slots on each, the GPUs in turn, by UUID; fewer where the planned
/// memory of so many runs does not fit. Without any, or with --device cpu: slots that divide the
/// cores of this process evenly; more slots than cores share them. Throws Error (device) when a GPU
/// that is asked for cannot be had.
Slots make_slots(const SlotOptions& options);

}  // namespace engine
