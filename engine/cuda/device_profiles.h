#pragma once

#include <span>
#include <string_view>

namespace engine {

/// A GPU's properties, as cuDNN 9.8 and newer take them in place of the GPU
/// (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION).
struct DeviceProfile {
  std::string_view target;  ///< what --target calls it: "h100"
  std::string_view json;
};

std::span<const DeviceProfile> device_profiles();

}  // namespace engine
