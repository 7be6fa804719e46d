#include "engine/data/image_file.h"

#include <algorithm>
#include <cstring>

#include "engine/core/file.h"
#include "engine/data/image_decoders.h"
#include "engine/data/limits.h"

namespace engine {

void check_image_size(const std::string& name, uint64_t h, uint64_t w) {
  if (h == 0 || w == 0) fail(ExitCode::data, "{}: the image is empty ({}x{})", name, h, w);
  if (h * w > static_cast<uint64_t>(kDataLimits.image_pixels)) {
    fail(ExitCode::data, "{}: the image is too large: {}x{}, at most {} pixels are decoded", name,
         h, w, kDataLimits.image_pixels);
  }
}

struct ImageDecoder::State {
  JpegDecoder jpeg;
  PngDecoder png;
  std::vector<uint8_t> file;
};

ImageDecoder::ImageDecoder() : state_(std::make_unique<State>()) {}
ImageDecoder::~ImageDecoder() = default;

void ImageDecoder::decode(std::span<const uint8_t> bytes, const std::string& name, int64_t channels,
                          DecodedImage& image) {
  constexpr uint8_t kJpeg[] = {0xff, 0xd8, 0xff};
  constexpr uint8_t kPng[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (bytes.size() >= sizeof kJpeg && std::memcmp(bytes.data(), kJpeg, sizeof kJpeg) == 0) {
    state_->jpeg.decode(bytes, name, channels, image);
  } else if (bytes.size() >= sizeof kPng && std::memcmp(bytes.data(), kPng, sizeof kPng) == 0) {
    state_->png.decode(bytes, name, channels, image);
  } else {
    fail(ExitCode::data, "{}: at offset 0: neither a JPEG nor a PNG file{}", name,
         bytes.empty() ? " (it is empty)" : "");
  }
}

void ImageDecoder::read(const std::string& path, int64_t channels, DecodedImage& image) {
  InputFile input(path, ExitCode::data);
  if (input.size() > kDataLimits.image_bytes) {
    fail(ExitCode::data, "{}: is {} long, expected at most {} for an image", path,
         human_bytes(input.size()), human_bytes(kDataLimits.image_bytes));
  }
  state_->file.resize(input.size());
  input.read(state_->file.data(), state_->file.size());
  decode(state_->file, path, channels, image);
}

std::vector<uint8_t> read_image(const std::string& path, Shape shape, DataConfig::Fit fit) {
  ImageDecoder decoder;
  DecodedImage image;
  decoder.read(path, shape.c, image);
  std::vector<uint8_t> pixels(static_cast<size_t>(shape.per_sample()));
  fit_image(image, fit, shape.h, shape.w, pixels.data());
  return pixels;
}

}  // namespace engine
