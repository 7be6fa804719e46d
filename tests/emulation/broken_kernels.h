#pragma once

#include <string>

#include "engine/cuda/cuda_device.h"

namespace engine::test {

/// One block of 64 threads: "rotate" and "throws" are right, all others have the mistake that their
/// name says. Those that only a sanitizer sees: "out of shared", "out of array", "misaligned",
/// "overflow".
void run_kernel(const CudaDevice& device, const std::string& name, const float* in, float* out);

}  // namespace engine::test
