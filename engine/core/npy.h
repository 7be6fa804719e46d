#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/core/file.h"
#include "engine/core/named_tensor.h"

namespace engine {

/// Reads NumPy's .npy (versions 1 to 3): uint8, float32, float64, int32 or int64, little-endian, C
/// order. Throws Error (data) with file, offset and what was expected.
NamedTensor read_npy(const std::string& path);

/// Writes float32 in C order, version 1.0: the bytes that numpy.save writes. Throws Error
/// (storage).
void write_npy(FileSystem& files, const std::string& path, std::span<const int64_t> dims,
               std::span<const float> values);

}  // namespace engine
