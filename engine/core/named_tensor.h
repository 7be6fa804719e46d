#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace engine {

/// A tensor in host memory under the name that files use ("inception_a.conv3x3.weight").
struct NamedTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> dims;
  std::vector<std::byte> bytes;  ///< row-major, little-endian

  int64_t elements() const;
  const float* f32() const { return reinterpret_cast<const float*>(bytes.data()); }
  float* f32() { return reinterpret_cast<float*>(bytes.data()); }
};

}  // namespace engine
