#pragma once

// Instead of engine/cuda/start_kernel.h: kernels run on the CPU.

#include "tests/emulation/emulator.h"

namespace engine {

template <class... Parameters>
cudaError_t start_kernel(cudaStream_t stream, const char* name, dim3 grid, dim3 block,
                         void (*kernel)(Parameters...), Parameters... arguments) {
  (emulated::expect_device_memory(name, &arguments, sizeof(arguments)), ...);
  return emulated::run(stream, name, reinterpret_cast<const void*>(kernel), grid, block,
                       [=] { kernel(arguments...); });
}

}  // namespace engine
