#pragma once

#include "engine/core/backend.h"

namespace engine::test {

/// libengine_cuda.so: $ENGINE_CUDA_LIBRARY, or the library beside this program or where a package
/// has it. Throws std::runtime_error when it cannot be loaded.
const Backend& cuda_backend();

/// How make_tested_device() opens the GPU. Who changes it changes it back.
GpuOptions& tested_options();

}  // namespace engine::test
