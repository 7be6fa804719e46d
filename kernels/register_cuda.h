#pragma once

#include "engine/core/registry.h"

namespace engine {

/// Adds the GPU's kernels to the table of register_ops().
void register_cuda_kernels(Registry& registry);

}  // namespace engine
