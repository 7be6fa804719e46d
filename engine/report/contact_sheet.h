#pragma once

#include <string>
#include <vector>

#include "engine/report/picture.h"
#include "engine/report/text_raster.h"

namespace engine {

inline constexpr Colour kInk{34, 34, 34}, kGrayInk{105, 105, 105}, kRedInk{192, 0, 0};

struct SheetLine {
  std::string text;  ///< UTF-8; cut with an ellipsis where it does not fit
  Colour colour = kInk;
};

struct SheetCell {
  Picture picture;                 ///< gray or RGB; without pixels an empty frame is drawn
  std::vector<SheetLine> caption;  ///< below it
};

struct SheetRow {
  std::vector<SheetLine> heading;  ///< left of the cells
  std::vector<SheetCell> cells;
};

/// Pictures in rows and columns with words around them, on white.
struct ContactSheet {
  std::vector<SheetLine> title;  ///< above all; the first line is large
  std::vector<std::vector<SheetLine>> columns;
  std::vector<SheetRow> rows;
};

/// As contact sheets show a picture, in RGB: each pixel as a square of k x k so that the longer
/// side has 65 to 128 pixels; as it is up to 256; shrunk by a whole factor above. Every picture by
/// itself.
Picture shown(const Picture& picture);

/// Draws the sheet (RGB). All columns are as wide as the widest picture, at least 104 pixels; a row
/// is as high as its highest cell.
Picture draw(const ContactSheet& sheet);

/// How many columns of pictures (as shown; the widest has so many pixels) fit side by side into an
/// ordinary window, at least 1.
int64_t sheet_columns(int64_t picture_width);

/// RGB pictures below each other, on white.
Picture stacked(const std::vector<Picture>& pictures);

}  // namespace engine
