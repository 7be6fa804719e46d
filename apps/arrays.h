#pragma once

// NumPy files as images.

#include <string>
#include <vector>

#include "engine/core/npy.h"
#include "engine/core/stage.h"

namespace engine {

/// Images as a network sees them.
struct FloatImages {
  Shape shape;                ///< n images
  std::vector<float> values;  ///< NHWC
};

/// float32 or float64; NHWC, NHW (one channel) or [n, features]. Throws Error (data).
FloatImages read_float_images(const std::string& path);

/// uint8; NHWC or NHW (one channel). Sample numbers are 0, 1, ... Throws Error (data).
ImageSet read_byte_images(const std::string& path);

}  // namespace engine
