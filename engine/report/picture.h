#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace engine {

/// Eight bits a channel, one (gray) or three (RGB) channels, rows packed.
struct Picture {
  int64_t width = 0, height = 0, channels = 0;
  std::vector<uint8_t> pixels;
};

/// An image of float values (h, w, c), of which low becomes 0 and high 255. Other numbers of
/// channels than 3 show the first. Values that are not finite are 0.
Picture picture(const float* image, const Shape& shape, double low, double high);
/// An image of a data set.
Picture picture(const uint8_t* image, const Shape& shape);
/// Whole pixels averaged until neither side is longer than most.
Picture shrunk(const Picture& picture, int64_t most);
/// Pictures of one size side by side, columns in a row, each enlarged by a whole factor as long as
/// its longer side is not over size; white between them.
Picture tiled(std::span<const Picture> pictures, size_t columns, int64_t size);

/// A PNG file.
std::vector<uint8_t> png(const Picture& picture);
/// The same as a data: address.
std::string png_address(const Picture& picture);

}  // namespace engine
