#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <string_view>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/launch_list.h"

namespace engine {

/// Times a device's launches one by one. Before each, memory of four times the cache's size is
/// cleared: so the launch finds nothing of its own in the cache, and has long been queued when its
/// turn comes, so that the host's part is not in its time.
class LaunchTimer {
 public:
  LaunchTimer(Device& device, cudaStream_t stream, size_t cache_bytes);
  ~LaunchTimer();
  LaunchTimer(const LaunchTimer&) = delete;

  /// Around what queues a launch; not while a step is being recorded.
  void begin();
  void end(LaunchList::Launch launch);
  void begin_range(std::string_view name) { list_.begin_range(name); }
  void end_range() { list_.end_range(); }
  /// Waits for the device.
  LaunchList result();

 private:
  void mark();

  Device& device_;
  cudaStream_t stream_;
  Buffer scratch_;
  std::vector<cudaEvent_t> events_;  ///< two for each launch
  LaunchList list_;
};

}  // namespace engine
