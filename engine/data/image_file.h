#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace engine {

/// A decoded image: 8 bits a channel, row by row, 1 channel (brightness) or 3 (red, green, blue).
struct DecodedImage {
  int64_t h = 0, w = 0, c = 0;
  std::vector<uint8_t> pixels;
};

/// Decodes JPEG (libjpeg-turbo) and PNG (libpng) files; which of them a file is, its first bytes
/// say.
///
/// Brightness of colours is Rec. 601's (0.299, 0.587, 0.114); gray images give three equal
/// channels. Transparent pixels of a PNG are laid on white. 16 bits become 8 by scaling. Gamma,
/// colour profiles and EXIF orientation are not applied. CMYK JPEG is converted without a profile:
/// red = (255 - cyan) * (255 - black) / 255 and so on. Damaged files are refused, also where a
/// viewer would show part of them.
///
/// Throws Error (data) that names the file and the offset. An object is for one thread at a time;
/// it keeps its buffers from image to image.
class ImageDecoder {
 public:
  ImageDecoder();
  ~ImageDecoder();
  /// channels: 1 or 3. name stands in messages.
  void decode(std::span<const uint8_t> bytes, const std::string& name, int64_t channels,
              DecodedImage& image);
  void read(const std::string& path, int64_t channels, DecodedImage& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Brings an image to h x w pixels (out has h * w * image.c bytes). Each axis by itself: averaged
/// over the area that a pixel covers where it shrinks, linear between pixel centres where it grows;
/// in integers, so that every machine gets the same bytes. fit = crop uses the largest centred part
/// with the proportions of h x w. An image of the right size is copied.
void fit_image(const DecodedImage& image, DataConfig::Fit fit, int64_t h, int64_t w, uint8_t* out);

/// One file as `predict` needs it: shape.h x shape.w x shape.c.
std::vector<uint8_t> read_image(const std::string& path, Shape shape, DataConfig::Fit fit);

}  // namespace engine
