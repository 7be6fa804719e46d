#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/data/image_file.h"

namespace engine {

/// libjpeg-turbo behind RAII and exceptions. See ImageDecoder.
class JpegDecoder {
 public:
  JpegDecoder();
  ~JpegDecoder();
  void decode(std::span<const uint8_t> bytes, const std::string& name, int64_t channels,
              DecodedImage& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// libpng behind RAII and exceptions. See ImageDecoder.
class PngDecoder {
 public:
  PngDecoder();
  ~PngDecoder();
  void decode(std::span<const uint8_t> bytes, const std::string& name, int64_t channels,
              DecodedImage& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Throws Error (data) unless w x h may be decoded.
void check_image_size(const std::string& name, uint64_t h, uint64_t w);

/// Rec. 601 brightness, rounded.
inline uint8_t brightness(int r, int g, int b) {
  return static_cast<uint8_t>((299 * r + 587 * g + 114 * b + 500) / 1000);
}

}  // namespace engine
