#pragma once

// Numbers between a device, where they may be bfloat16, and the host, where they are float32.

#include <span>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/tensor.h"

namespace engine {

/// count numbers of type f32 or bf16.
std::vector<float> read_floats(Device& device, const void* data, size_t count, DType type);
/// Rounded to the type. values may be gone when this returns.
void write_floats(Device& device, void* data, std::span<const float> values, DType type);

}  // namespace engine
