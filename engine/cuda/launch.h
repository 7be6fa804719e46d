#pragma once

// How every kernel is launched.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/cuda/check.h"
#include "engine/cuda/cuda_device.h"
#include "engine/cuda/launch_timer.h"
#include "engine/cuda/start_kernel.h"

namespace engine {

inline constexpr unsigned kThreadsPerBlock = 256;

/// Blocks for a grid-stride loop over count items: enough to fill the device a few times, no more.
inline unsigned blocks_for(const CudaDevice& device, int64_t count,
                           unsigned threads = kThreadsPerBlock) {
  constexpr int64_t kWaves = 16;  // blocks of a multiprocessor
  const int64_t wanted = (count + threads - 1) / threads;
  return static_cast<unsigned>(std::clamp<int64_t>(wanted, 1, kWaves * device.multiprocessors()));
}

/// What a launch is called in messages, profiles and lists, and what it moves through main memory.
struct LaunchName {
  LaunchName(const char* name, double bytes = 0) : name(name), bytes(bytes) {}
  const char* name;
  double bytes;  ///< read and written; 0: too little to count
};

/// Queues a kernel on the device's stream; a device that is only described notes it.
template <class... Parameters>
void launch(const CudaDevice& device, LaunchName what, dim3 grid, dim3 block,
            void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  const auto noted = [&] {
    return LaunchList::Launch{.kernel = what.name,
                              .grid = {grid.x, grid.y, grid.z},
                              .block = {block.x, block.y, block.z},
                              .bytes = what.bytes};
  };
  if (LaunchList* list = device.list()) return list->add(noted());
  LaunchTimer* const timer = device.timer();
  if (timer) timer->begin();
  check(start_kernel(device.stream(), what.name, grid, block, kernel, arguments...), what.name);
  if (timer) timer->end(noted());
}

/// The same for a loop over count items that any number of threads can share.
template <class... Parameters>
void launch_over(const CudaDevice& device, LaunchName what, int64_t count,
                 void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  if (count == 0) return;
  launch(device, what, blocks_for(device, count), kThreadsPerBlock, kernel, arguments...);
}

}  // namespace engine
