#pragma once

#include <vector>

namespace emulated {

/// The GPUs of the machine, by the last byte of their UUIDs: EMULATED_GPUS of them (one), or the
/// one that CUDA_VISIBLE_DEVICES names by its UUID.
std::vector<int> visible_gpus();

/// Where EMULATED_GPU_LOCKS names a folder: this process alone uses this GPU until it ends. One
/// that another process uses ends it with exit code 99.
void use_alone(int gpu);

}  // namespace emulated
