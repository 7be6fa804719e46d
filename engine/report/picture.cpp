#include "engine/report/picture.h"

#include <png.h>

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "engine/report/base64.h"

namespace engine {
namespace {

uint8_t byte_of(double value) {
  if (!std::isfinite(value)) return 0;
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255));
}

Picture blank(int64_t width, int64_t height, int64_t channels) {
  return {width, height, channels,
          std::vector<uint8_t>(static_cast<size_t>(width * height * channels))};
}

}  // namespace

Picture picture(const float* image, const Shape& shape, double low, double high) {
  Picture result = blank(shape.w, shape.h, shape.c == 3 ? 3 : 1);
  const double range = high > low ? high - low : 1;
  for (int64_t p = 0; p < shape.h * shape.w; ++p) {
    for (int64_t c = 0; c < result.channels; ++c) {
      result.pixels[static_cast<size_t>(p * result.channels + c)] =
          byte_of((image[p * shape.c + c] - low) / range);
    }
  }
  return result;
}

Picture picture(const uint8_t* image, const Shape& shape) {
  Picture result = blank(shape.w, shape.h, shape.c == 3 ? 3 : 1);
  for (int64_t p = 0; p < shape.h * shape.w; ++p) {
    std::copy_n(image + p * shape.c, result.channels,
                result.pixels.begin() + static_cast<std::ptrdiff_t>(p * result.channels));
  }
  return result;
}

Picture shrunk(const Picture& picture, int64_t most) {
  const int64_t factor = (std::max(picture.width, picture.height) + most - 1) / most;
  if (factor <= 1) return picture;
  Picture result = blank((picture.width + factor - 1) / factor,
                         (picture.height + factor - 1) / factor, picture.channels);
  for (int64_t y = 0; y < result.height; ++y) {
    for (int64_t x = 0; x < result.width; ++x) {
      for (int64_t c = 0; c < result.channels; ++c) {
        const int64_t bottom = std::min((y + 1) * factor, picture.height);
        const int64_t right = std::min((x + 1) * factor, picture.width);
        int64_t sum = 0;
        for (int64_t v = y * factor; v < bottom; ++v) {
          for (int64_t u = x * factor; u < right; ++u) {
            sum +=
                picture.pixels[static_cast<size_t>((v * picture.width + u) * picture.channels + c)];
          }
        }
        const int64_t count = (bottom - y * factor) * (right - x * factor);
        result.pixels[static_cast<size_t>((y * result.width + x) * result.channels + c)] =
            static_cast<uint8_t>((sum + count / 2) / count);  // NOLINT: a block has a pixel
      }
    }
  }
  return result;
}

Picture tiled(std::span<const Picture> pictures, size_t columns, int64_t size) {
  if (pictures.empty()) return {};
  constexpr int64_t kGap = 4;
  constexpr uint8_t kWhite = 255;
  const Picture& one = pictures[0];
  const int64_t factor = std::max<int64_t>(size / std::max(one.width, one.height), 1);
  columns = std::min(columns, pictures.size());
  const auto rows = static_cast<int64_t>((pictures.size() + columns - 1) / columns);
  const int64_t right = one.width * factor + kGap, down = one.height * factor + kGap;
  Picture result =
      blank(right * static_cast<int64_t>(columns) - kGap, down * rows - kGap, one.channels);
  std::fill(result.pixels.begin(), result.pixels.end(), kWhite);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const int64_t left = right * static_cast<int64_t>(i % columns);
    const int64_t top = down * static_cast<int64_t>(i / columns);
    for (int64_t y = 0; y < one.height * factor; ++y) {
      for (int64_t x = 0; x < one.width * factor; ++x) {
        const int64_t from = (y / factor * one.width + x / factor) * one.channels;
        const int64_t to = ((top + y) * result.width + left + x) * one.channels;
        std::copy_n(pictures[i].pixels.begin() + from, one.channels, result.pixels.begin() + to);
      }
    }
  }
  return result;
}

std::vector<uint8_t> png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  std::vector<uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(image));
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, picture.pixels.data(), 0,
                                 nullptr)) {
    fail(ExitCode::internal, "a PNG cannot be written: {}", image.message);
  }
  bytes.resize(size);
  return bytes;
}

std::string png_address(const Picture& picture) {
  return "data:image/png;base64," + base64(png(picture));
}

}  // namespace engine
