#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph/graph.h"

namespace engine {

/// Places buffers that live at different times into one arena. Times count the kernel calls of a
/// step: forward 0..n-1, backward n..2n-1.
struct BufferRequest {
  size_t bytes = 0;
  int first = 0, last = 0;  ///< first and last call that touches it, both included
};

struct ArenaLayout {
  std::vector<size_t> offsets;
  size_t bytes = 0;
};

/// Offsets such that no two buffers that are alive together overlap. Largest first into the lowest
/// gap; deterministic. alignment is a power of two.
ArenaLayout lay_out(const std::vector<BufferRequest>& requests, size_t alignment);

/// Planned memory by kind, in bytes.
struct MemoryPlan {
  size_t parameters = 0, gradients = 0, moments = 0;
  size_t activations = 0;    ///< the arena: activations, their gradients, saved values, workspace
  size_t without_reuse = 0;  ///< what the arena would take if nothing were reused

  size_t total() const { return parameters + gradients + moments + activations; }
};

}  // namespace engine
