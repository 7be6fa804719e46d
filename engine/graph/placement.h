#pragma once

// Where every value and every gradient of a graph lies: which of them share memory, when each piece
// of memory is in use, and its offset in the arena. Knows shapes and lifetimes, no device.
//
// Times count the calls of a step: node i runs forward at time i and backward at 2n - 1 - i.

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/graph/passes.h"
#include "engine/graph/plan.h"
#include "engine/graph/streams.h"

namespace engine {

/// What placement must know of a node besides its op.
struct NodeFacts {
  bool takes_pitch = false;
  DType output = DType::f32;   ///< of its output; its gradient has the same
  bool backward = false;       ///< its backward runs
  std::vector<bool> needs_dx;  ///< for each input
  size_t workspace_bytes = 0;
  size_t saved_bytes = 0;
};

/// A value or gradient in the arena.
struct PlacedTensor {
  Shape shape;
  DType dtype = DType::f32;
  int64_t pitch = 0;
  int buffer = -1;      ///< index into Placement::requests; -1: does not exist
  int64_t channel = 0;  ///< first channel inside the buffer's tensor
  bool moved = false;   ///< lies inside another tensor: as a view, in place or as a slice

  explicit operator bool() const { return buffer >= 0; }
};

struct NodePlacement {
  std::vector<PlacedTensor> dx;   ///< one for each input
  std::vector<PlacedTensor> dys;  ///< gradients that come back: one, or a split's several, or none
  int workspace_forward = -1, workspace_backward = -1, saved = -1;  ///< buffers
  bool runs_forward = true, runs_backward = true;  ///< false: all of its work is done by placement
};

struct Placement {
  PlacedTensor input;                 ///< the network's
  std::vector<PlacedTensor> outputs;  ///< of each node
  std::vector<NodePlacement> nodes;
  PlacedTensor seed;  ///< gradient of the last output in a graph without loss
  Streams streams;    ///< of the calls, by their times
  std::vector<BufferRequest> requests;
  ArenaLayout layout;

  size_t without_reuse() const;  ///< bytes, if every buffer had memory of its own
};

inline constexpr size_t kArenaAlignment = 256;  ///< enough for every device

/// Told how the tensors of node i will lie; may set facts[i]'s workspace_bytes and saved_bytes.
using PlanNode = std::function<void(size_t i, const KernelPlaces& places)>;

/// Plans a graph whose fan-outs have been split (insert_splits) when backward runs. input: type of
/// the network's input. lanes: how many of them the device has. Calls of one region that may run
/// side by side share no memory that one of them writes, but for other channels of the same tensor.
Placement place(const Graph& graph, const std::vector<NodeFacts>& facts, bool backward, DType input,
                int lanes, const PassSwitches& passes, const PlanNode& plan);

}  // namespace engine
