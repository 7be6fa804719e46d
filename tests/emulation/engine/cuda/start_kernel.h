#pragma once

// Instead of engine/cuda/start_kernel.h: kernels run on the CPU.

#include <type_traits>

#include "tests/emulation/emulator.h"

namespace engine {

template <class... Parameters>
cudaError_t start_kernel(cudaStream_t stream, const char* name, dim3 grid, dim3 block,
                         void (*kernel)(Parameters...), Parameters... arguments) {
  const auto check = [name](const auto& argument) {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(argument)>>) {
      emulated::expect_device_memory(name, argument);
    }
  };
  (check(arguments), ...);
  return emulated::run(stream, name, reinterpret_cast<const void*>(kernel), grid, block,
                       [=] { kernel(arguments...); });
}

}  // namespace engine
