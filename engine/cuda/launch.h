#pragma once

// How every kernel is launched.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/cuda/check.h"
#include "engine/cuda/cuda_device.h"
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

/// Queues a kernel on the device's stream. name: for messages, profiles and the emulation's list.
template <class... Parameters>
void launch(const CudaDevice& device, const char* name, dim3 grid, dim3 block,
            void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  check(start_kernel(device.stream(), name, grid, block, kernel, arguments...), name);
}

/// The same for a loop over count items that any number of threads can share.
template <class... Parameters>
void launch_over(const CudaDevice& device, const char* name, int64_t count,
                 void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  if (count == 0) return;
  launch(device, name, blocks_for(device, count), kThreadsPerBlock, kernel, arguments...);
}

}  // namespace engine
