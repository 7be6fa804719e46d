#pragma once

#include <cstddef>
#include <cstdint>

namespace engine {

/// Limits on what files of images may make the engine do; each is checked before memory is taken.
struct DataLimits {
  int64_t image_pixels = int64_t{64} << 20;  ///< of one image file
  uint64_t image_bytes = uint64_t{1} << 30;  ///< of one image file
  int64_t target_pixels = int64_t{1} << 24;  ///< of one image as the network gets it
  int jpeg_scans = 200;                      ///< of a progressive JPEG: many scans cost much time
  size_t classes = 100'000;
  size_t files = 50'000'000;                     ///< of an image folder
  uint64_t archive_bytes = uint64_t{256} << 20;  ///< of an archive when unpacked
  size_t archive_members = 64;
};
inline constexpr DataLimits kDataLimits{};

}  // namespace engine
