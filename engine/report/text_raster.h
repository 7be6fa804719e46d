#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/report/picture.h"

namespace engine {

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
};

/// Draws lines of UTF-8 text with the font that is part of the program (DejaVu Sans), anti-aliased,
/// with kerning. The same text gives the same bytes.
///
/// Control characters and marks that reverse the writing direction are drawn as '?', bytes that are
/// no UTF-8 as U+FFFD, characters that the font lacks as its box. Characters stand from left to
/// right in the order of the text, also those of scripts that are written from right to left or
/// joined. An object is for one thread at a time.
class TextRaster {
 public:
  /// size: pixels of the em square, 4 to 200.
  explicit TextRaster(int size);
  ~TextRaster();
  TextRaster(const TextRaster&) = delete;

  /// Pixels from the top of a line to its baseline, and to the top of the next line.
  int64_t ascent() const;
  int64_t line_height() const;
  /// Pixels that a line takes, rounded up.
  int64_t width(std::string_view text) const;
  /// The text where it is not wider than width pixels, else as much of its beginning as fits before
  /// an ellipsis; empty where not even that fits.
  std::string fitted(std::string_view text, int64_t width) const;
  /// Draws a line whose upper left corner is (x, y) onto an RGB picture; what lies outside of the
  /// picture is left out.
  void draw(Picture& picture, int64_t x, int64_t y, std::string_view text, Colour colour) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engine
