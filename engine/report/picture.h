#pragma once

#include <cstdint>
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

/// A PNG file.
std::vector<uint8_t> png(const Picture& picture);
/// The same as a data: address.
std::string png_address(const Picture& picture);

}  // namespace engine
