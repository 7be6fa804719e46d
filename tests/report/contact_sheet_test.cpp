// Text as pixels and contact sheets. preview_test.py compares text with Pillow's.

#include "engine/report/contact_sheet.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace engine::test {
namespace {

Picture blank(int64_t width, int64_t height) {
  return {width, height, 3, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 255)};
}

Picture written(const TextRaster& raster, std::string_view text, int64_t x = 4, int64_t y = 4,
                int64_t width = 400, int64_t height = 40) {
  Picture picture = blank(width, height);
  raster.draw(picture, x, y, text, {});
  return picture;
}

int64_t ink(const Picture& picture) {
  int64_t sum = 0;
  for (const uint8_t value : picture.pixels) sum += 255 - value;
  return sum;
}

const uint8_t* pixel(const Picture& picture, int64_t x, int64_t y) {
  return &picture.pixels[static_cast<size_t>((y * picture.width + x) * 3)];
}

bool is(const Picture& picture, int64_t x, int64_t y, int red, int green, int blue) {
  const uint8_t* at = pixel(picture, x, y);
  return at[0] == red && at[1] == green && at[2] == blue;
}

TEST(TextRaster, StaysInItsLineAndWidth) {
  for (const int size : {8, 13, 17, 40}) {
    const TextRaster raster(size);
    const std::string text = "Wgjpq|\xC3\x84 0.1 once";
    const Picture picture = written(raster, text, 4, 4, 600, 80);
    ASSERT_GT(ink(picture), 1000);
    for (int64_t y = 0; y < picture.height; ++y) {
      for (int64_t x = 0; x < picture.width; ++x) {
        const bool inside =
            y >= 4 && y < 4 + raster.line_height() && x >= 3 && x <= 4 + raster.width(text);
        ASSERT_TRUE(inside || is(picture, x, y, 255, 255, 255)) << size << ": " << x << ", " << y;
      }
    }
  }
}

TEST(TextRaster, IsCutWithAnEllipsisThatFits) {
  const TextRaster raster(13);
  const std::string text = "striped_square \xC3\xBC\xC3\xBC\xC3\xBC of the second kind";
  EXPECT_EQ(raster.fitted(text, raster.width(text)), text);
  size_t longest = 0;
  for (int64_t width = 0; width < raster.width(text); ++width) {
    const std::string cut = raster.fitted(text, width);
    EXPECT_LE(raster.width(cut), width);
    EXPECT_GE(cut.size(), longest) << "more room, more text";
    longest = cut.size();
    if (cut.empty()) continue;
    ASSERT_TRUE(cut.ends_with("\xE2\x80\xA6")) << cut;
    const std::string kept = cut.substr(0, cut.size() - 3);
    EXPECT_TRUE(text.starts_with(kept)) << "no character may be cut in two";
    EXPECT_NE(static_cast<uint8_t>(text[kept.size()]) & 0xC0, 0x80);
  }
  EXPECT_GT(longest, 20u);
}

TEST(TextRaster, ShowsMarksThatSteerAsQuestionMarks) {
  const TextRaster raster(13);
  const Picture expected = written(raster, "a?b");
  for (const char* text : {"a\nb",
                           "a\x1B"
                           "b",
                           "a\x7F"
                           "b",
                           "a\xC2\x9B"
                           "b",
                           "a\xE2\x80\xAE"
                           "b",
                           "a\xE2\x81\xA6"
                           "b",
                           "a\xE2\x80\x8F"
                           "b"}) {
    EXPECT_EQ(written(raster, text).pixels, expected.pixels);
  }
  EXPECT_EQ(written(raster, std::string_view("a\0b", 3)).pixels, expected.pixels);
  EXPECT_NE(written(raster,
                    "a\xC3\xBC"
                    "b")
                .pixels,
            expected.pixels);
}

TEST(TextRaster, DrawsABoxForWhatTheFontLacksAndForBrokenBytes) {
  const TextRaster raster(13);
  const Picture chinese = written(raster, "\xE4\xB8\xAD"), other = written(raster, "\xE6\x96\x87");
  EXPECT_GT(ink(chinese), 500);
  EXPECT_EQ(chinese.pixels, other.pixels);
  const Picture replacement = written(raster, "\xEF\xBF\xBD");
  EXPECT_GT(ink(replacement), 500);
  for (const char* broken : {"\xFF", "\xC3", "\x80"}) {
    EXPECT_EQ(written(raster, broken).pixels, replacement.pixels);
  }
}

TEST(TextRaster, LeavesOutWhatLiesOutside) {
  const TextRaster raster(17);
  const Picture whole = written(raster, "outside", 20, 20, 200, 60);
  for (const auto& [dx, dy] : {std::pair{-40, -10}, {-25, 0}, {150, 30}, {0, -30}, {500, 500}}) {
    const Picture part = written(raster, "outside", 20 + dx, 20 + dy, 200, 60);
    for (int64_t y = 0; y < 60; ++y) {
      for (int64_t x = 0; x < 200; ++x) {
        const int64_t u = x - dx, v = y - dy;
        if (u < 0 || v < 0 || u >= 200 || v >= 60) continue;
        ASSERT_TRUE(std::equal(pixel(part, x, y), pixel(part, x, y) + 3, pixel(whole, u, v)));
      }
    }
  }
}

TEST(ContactSheet, ShowsPicturesInWholeFactors) {
  const auto side = [](int64_t width, int64_t height) {
    const Picture result =
        shown({width, height, 1, std::vector<uint8_t>(static_cast<size_t>(width * height), 7)});
    EXPECT_EQ(result.channels, 3);
    EXPECT_TRUE(is(result, result.width - 1, result.height - 1, 7, 7, 7));
    return std::pair(result.width, result.height);
  };
  EXPECT_EQ(side(1, 1), std::pair(int64_t{128}, int64_t{128}));
  EXPECT_EQ(side(32, 32), std::pair(int64_t{128}, int64_t{128}));
  EXPECT_EQ(side(48, 16), std::pair(int64_t{96}, int64_t{32}));
  EXPECT_EQ(side(100, 100), std::pair(int64_t{100}, int64_t{100}));
  EXPECT_EQ(side(256, 3), std::pair(int64_t{256}, int64_t{3}));
  EXPECT_EQ(side(1000, 1000), std::pair(int64_t{250}, int64_t{250}));

  const Picture colours{2, 1, 3, {1, 2, 3, 4, 5, 6}};
  const Picture large = shown(colours);
  EXPECT_EQ(large.width, 128);
  EXPECT_EQ(large.height, 64);
  EXPECT_TRUE(is(large, 63, 63, 1, 2, 3));
  EXPECT_TRUE(is(large, 64, 0, 4, 5, 6));
}

/// Where cells are, found by their frames.
std::vector<std::pair<int64_t, int64_t>> framed(const Picture& picture, int64_t side) {
  std::vector<std::pair<int64_t, int64_t>> places;
  for (int64_t y = 0; y + side + 2 <= picture.height; ++y) {
    for (int64_t x = 0; x + side + 2 <= picture.width; ++x) {
      bool frame = true;
      for (int64_t i = 0; frame && i < side + 2; ++i) {
        frame = is(picture, x + i, y, 200, 200, 200) && is(picture, x, y + i, 200, 200, 200) &&
                is(picture, x + i, y + side + 1, 200, 200, 200);
      }
      if (frame) places.emplace_back(x + 1, y + 1);
    }
  }
  return places;
}

TEST(ContactSheet, PutsEveryPictureIntoItsRowAndColumn) {
  ContactSheet sheet;
  sheet.title = {{"title"}, {"below"}};
  sheet.columns = {{{"one"}}, {{"two"}, {"lines"}}, {{"three"}}};
  for (uint8_t r = 0; r < 2; ++r) {
    SheetRow row{{{"row"}, {"with a heading of many words that are cut somewhere, certainly"}}, {}};
    for (uint8_t c = 0; c < 3; ++c) {
      const std::vector<uint8_t> grays(16, static_cast<uint8_t>(10 * r + c));
      row.cells.push_back({{4, 4, 1, grays}, {{"caption"}}});
    }
    sheet.rows.push_back(row);
  }
  const Picture picture = draw(sheet);
  const auto places = framed(picture, 128);
  ASSERT_EQ(places.size(), 6u);
  for (size_t i = 0; i < places.size(); ++i) {
    const auto [x, y] = places[i];
    const int gray = static_cast<int>(10 * (i / 3) + i % 3);
    EXPECT_TRUE(is(picture, x, y, gray, gray, gray));
    EXPECT_TRUE(is(picture, x + 127, y + 127, gray, gray, gray));
    EXPECT_EQ(x - places[0].first, static_cast<int64_t>(i % 3) * 140);
    EXPECT_EQ(y == places[0].second, i < 3);
  }
  EXPECT_EQ(picture.width, places[2].first + 128 + 16);
  EXPECT_EQ(picture.pixels, draw(sheet).pixels);
}

TEST(ContactSheet, StandsWithLittleOrNothingInIt) {
  EXPECT_GT(draw({}).width, 0);
  ContactSheet sheet;
  sheet.rows.push_back({{}, {{{}, {{"cannot be read", kRedInk}}}}});
  const Picture picture = draw(sheet);
  EXPECT_EQ(framed(picture, 104).size(), 1u) << "a frame stands for the picture";
  EXPECT_EQ(stacked({picture, picture}).height, 2 * picture.height);
}

}  // namespace
}  // namespace engine::test
