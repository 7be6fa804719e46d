#pragma once

#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace engine {

/// The ten classes, in the order of their labels (alphabetical).
std::vector<std::string> shape_classes();

/// Draws config.count training images and a fifth as many test images of config.size, 3 channels,
/// equally many of each class, in random order. docs/data.md describes them. An image depends on
/// seed and sample number alone. Leaves fingerprint empty.
Dataset make_shapes(const DataConfig& config, uint32_t seed, int threads);

}  // namespace engine
