#include "engine/core/device_floats.h"

#include <algorithm>

#include "engine/core/bf16.h"

namespace engine {

std::vector<float> read_floats(Device& device, const void* data, size_t count, DType type) {
  std::vector<float> values(count);
  if (type == DType::f32) {
    device.copy_to_host(values.data(), data, count * sizeof(float));
    return values;
  }
  std::vector<Bf16> stored(count);
  device.copy_to_host(stored.data(), data, count * sizeof(Bf16));
  std::transform(stored.begin(), stored.end(), values.begin(),
                 [](Bf16 value) { return to_float(value); });
  return values;
}

void write_floats(Device& device, void* data, std::span<const float> values, DType type) {
  if (type == DType::f32) return device.copy_to_device(data, values.data(), values.size_bytes());
  std::vector<Bf16> stored(values.size());
  std::transform(values.begin(), values.end(), stored.begin(), to_bf16);
  device.copy_to_device(data, stored.data(), stored.size() * sizeof(Bf16));
}

}  // namespace engine
