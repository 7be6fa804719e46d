#pragma once

// What a capture makes of the work of its streams.

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

namespace emulated {

/// Work, and for each piece what has to be done before it.
class WorkGraph {
 public:
  /// Returns its number. behind: numbers of pieces that were added before.
  size_t add(std::function<void()> work, const std::set<size_t>& behind);
  /// These, and all that has to be done before them.
  std::set<size_t> up_to(const std::set<size_t>& pieces) const;
  /// Does all pieces, one at a time, in one of the orders that are allowed: which one follows from
  /// turn. With one stream there is only one.
  void run(uint32_t turn) const;

 private:
  struct Piece {
    std::function<void()> work;
    std::set<size_t> behind;
  };
  std::vector<Piece> pieces_;
};

struct Capture {
  WorkGraph graph;
  cudaStream_t origin = nullptr;
  std::set<cudaStream_t> streams;  ///< those that have joined
  bool running = true;
};

}  // namespace emulated
