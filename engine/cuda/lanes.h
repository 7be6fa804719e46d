#pragma once

#include <cuda_runtime.h>

#include <array>
#include <span>

namespace engine {

/// A device's streams, and the events by which they wait for each other. Made once; while a stream
/// is captured, fork and join become edges of the graph.
class Lanes {
 public:
  static constexpr int kCount = 4;

  /// Throws Error (device).
  Lanes();
  ~Lanes();
  Lanes(const Lanes&) = delete;

  /// Non-blocking ones; the first is the one that all else is queued on.
  std::span<const cudaStream_t> streams() const { return streams_; }
  /// Streams 1 to count - 1 go on when the first has done what is queued on it.
  void fork_lanes(int count);
  /// The first stream goes on when those that were forked have done what is queued on them. Without
  /// a fork nothing.
  void join();

 private:
  void destroy();

  std::array<cudaStream_t, kCount> streams_{};
  std::array<cudaEvent_t, kCount> events_{};  ///< of each: how far it has come
  int forked_ = 1;
};

}  // namespace engine
