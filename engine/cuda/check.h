#pragma once

#include <cuda_runtime.h>

#include <string_view>

namespace engine {

/// Throws Error with what was being done, CUDA's name for the error and what to do: out_of_memory
/// for a failed allocation, device for all else.
void check(cudaError_t error, std::string_view doing);

}  // namespace engine
