#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <string>

namespace emulated {

/// Runs a kernel's blocks one after the other, the threads of each in turns: in order, backwards or
/// shuffled, as turn % 3 says. One call at a time. Empty, or what was wrong with the barriers.
std::string run_blocks(dim3 grid, dim3 block, const std::function<void()>& thread, uint64_t turn);

}  // namespace emulated
