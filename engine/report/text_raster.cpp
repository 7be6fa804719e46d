#include "engine/report/text_raster.h"

#include <algorithm>
#include <map>
#include <vector>

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_MODULE_H
#include FT_OUTLINE_H

#include "engine/core/error.h"
#include "engine/core/utf8.h"
#include "engine/report/embedded_file.h"

EMBEDDED_FILE(font, FONT_FILE)

namespace engine {
namespace {

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr int64_t kOne = 64;  // FreeType's unit of positions is 1/64 pixel

void require(FT_Error error, const char* what) {
  if (error) fail(ExitCode::internal, "FreeType: {} failed (error {})", what, error);
}

/// Control characters and marks that change the writing direction.
bool steers(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || code == 0x200E ||
         code == 0x200F || (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

struct Character {
  uint32_t code;
  size_t end;  ///< bytes of text up to and with it
};

std::vector<Character> characters(std::string_view text) {
  std::vector<Character> result;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const auto byte = [&](size_t i) { return static_cast<uint32_t>(text[at + i]) & 0xFF; };
    uint32_t code = length == 1 ? byte(0) : byte(0) & (0x7F >> length);
    for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3F);
    if (length == 0) code = 0xFFFD;
    at += std::max<size_t>(length, 1);
    result.push_back({steers(code) ? '?' : code, at});
  }
  return result;
}

void blend(uint8_t& below, uint8_t above, uint8_t coverage) {
  below = static_cast<uint8_t>((below * (255 - coverage) + above * coverage + 127) / 255);
}

/// A coverage bitmap laid onto a picture with its upper left corner at (left, top).
void blend(Picture& picture, const FT_Bitmap& bitmap, int64_t left, int64_t top, Colour colour) {
  for (int64_t v = 0; v < int64_t{bitmap.rows}; ++v) {
    for (int64_t u = 0; u < int64_t{bitmap.width}; ++u) {
      const int64_t x = left + u, y = top + v;
      if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) continue;
      const uint8_t coverage = bitmap.buffer[v * bitmap.pitch + u];
      uint8_t* pixel = &picture.pixels[static_cast<size_t>((y * picture.width + x) * 3)];
      blend(pixel[0], colour.red, coverage);
      blend(pixel[1], colour.green, coverage);
      blend(pixel[2], colour.blue, coverage);
    }
  }
}

}  // namespace

struct TextRaster::Impl {
  explicit Impl(int size) {
    require(FT_Init_FreeType(&library), "initialization");
    // FreeType also listens to an environment variable; the bytes must not depend on it.
    FT_Bool yes = 1;
    require(FT_Property_Set(library, "autofitter", "no-stem-darkening", &yes), "a setting");
    const auto bytes = static_cast<FT_Long>(engine_font_end - engine_font);
    require(
        FT_New_Memory_Face(library, reinterpret_cast<const FT_Byte*>(engine_font), bytes, 0, &face),
        "opening the font");
    require(FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(size)), "choosing a size");
  }
  ~Impl() { FT_Done_FreeType(library); }

  /// Calls body(glyph, position in 1/64 pixel, end of the character in text) in order; returns the
  /// position after the last one.
  template <class Body>
  int64_t walk(std::string_view text, const Body& body) const {
    int64_t position = 0;
    FT_UInt before = 0;
    for (const Character& character : characters(text)) {
      const FT_UInt glyph = FT_Get_Char_Index(face, character.code);
      FT_Vector kerning{};
      if (before && glyph) {
        require(FT_Get_Kerning(face, before, glyph, FT_KERNING_UNFITTED, &kerning), "kerning");
      }
      position += kerning.x;
      const int64_t here = position;
      position += advance(glyph);
      body(glyph, here, character.end, position);
      before = glyph;
    }
    return position;
  }

  /// Of the outline as it is, not of one stretched to whole pixels: glyphs stand at any 1/64 pixel.
  int64_t advance(FT_UInt glyph) const {
    const auto known = advances.find(glyph);
    if (known != advances.end()) return known->second;
    load(glyph);
    const int64_t units = (face->glyph->linearHoriAdvance + 512) / 1024;  // from 16.16
    advances.emplace(glyph, units);
    return units;
  }

  /// Hinted vertically only: strokes are sharp, and widths stay as designed.
  void load(FT_UInt glyph) const {
    require(FT_Load_Glyph(face, glyph, FT_LOAD_TARGET_LIGHT | FT_LOAD_NO_BITMAP), "a glyph");
  }

  FT_Library library = nullptr;
  FT_Face face = nullptr;
  mutable std::map<FT_UInt, int64_t> advances;
};

TextRaster::TextRaster(int size) : impl_(std::make_unique<Impl>(std::clamp(size, 4, 200))) {}
TextRaster::~TextRaster() = default;

int64_t TextRaster::ascent() const {
  return (impl_->face->size->metrics.ascender + kOne - 1) / kOne;
}

int64_t TextRaster::line_height() const {
  // The font's own height is rounded, and in small sizes less than its letters take.
  const FT_Size_Metrics& metrics = impl_->face->size->metrics;
  const int64_t letters = metrics.ascender - metrics.descender;
  return (std::max<int64_t>(metrics.height, letters) + kOne - 1) / kOne;
}

int64_t TextRaster::width(std::string_view text) const {
  return (impl_->walk(text, [](auto...) {}) + kOne - 1) / kOne;
}

std::string TextRaster::fitted(std::string_view text, int64_t width) const {
  if (this->width(text) <= width) return std::string(text);
  const int64_t room = width * kOne - impl_->walk(kEllipsis, [](auto...) {});
  if (room < 0) return {};
  size_t keep = 0;
  impl_->walk(text, [&](FT_UInt, int64_t, size_t end, int64_t position) {
    if (position <= room) keep = std::max(keep, end);
  });
  while (keep > 0 && text[keep - 1] == ' ') --keep;
  return std::string(text.substr(0, keep)) + std::string(kEllipsis);
}

void TextRaster::draw(Picture& picture, int64_t x, int64_t y, std::string_view text,
                      Colour colour) const {
  if (picture.channels != 3) fail(ExitCode::internal, "text needs an RGB picture");
  const int64_t baseline = y + ascent();
  impl_->walk(text, [&](FT_UInt glyph, int64_t position, size_t, int64_t) {
    impl_->load(glyph);
    FT_GlyphSlot slot = impl_->face->glyph;
    FT_Outline_Translate(&slot->outline, position % kOne, 0);
    require(FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL), "drawing");
    blend(picture, slot->bitmap, x + position / kOne + slot->bitmap_left,
          baseline - slot->bitmap_top, colour);
  });
}

}  // namespace engine
