// JPEG and PNG files of many kinds, and damaged ones.

#include <cmath>

#include "tests/data/cifar10_support.h"
#include "tests/data/image_support.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

int largest_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  EXPECT_EQ(a.size(), b.size());
  int largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(Jpeg, DecodesColourGrayAndProgressive) {
  for (const auto& [h, w] : {std::pair{17, 23}, {1, 1}, {8, 8}, {64, 3}}) {
    for (const bool progressive : {false, true}) {
      const DecodedImage colour = picture(h, w, 3);
      const DecodedImage found = decode(encode_jpeg(colour, {.progressive = progressive}));
      EXPECT_EQ(found.h, h);
      EXPECT_EQ(found.w, w);
      EXPECT_LE(largest_difference(found.pixels, colour.pixels), 4);
      const DecodedImage gray = picture(h, w, 1);
      const std::string file =
          encode_jpeg(gray, {.space = JCS_GRAYSCALE, .progressive = progressive});
      EXPECT_LE(largest_difference(decode(file, 1).pixels, gray.pixels), 3);
      const DecodedImage three = decode(file, 3);
      for (size_t i = 0; i < three.pixels.size(); i += 3) {
        EXPECT_EQ(three.pixels[i], three.pixels[i + 2]);
      }
    }
  }
}

TEST(Jpeg, OneChannelOfAColourFileIsItsBrightness) {
  const DecodedImage colour = picture(20, 20, 3);
  const DecodedImage gray = decode(encode_jpeg(colour, {.subsampled = true}), 1);
  ASSERT_EQ(gray.pixels.size(), 400u);
  for (size_t i = 0; i < 400; ++i) {
    const uint8_t* p = &colour.pixels[3 * i];
    EXPECT_NEAR(gray.pixels[i], 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2], 3);
  }
}

TEST(Jpeg, ConvertsCmyk) {
  // Adobe's files hold 255 - ink; libjpeg writes the Adobe marker for YCCK.
  const DecodedImage inks = picture(16, 16, 4);
  const DecodedImage found = decode(encode_jpeg(inks, {.space = JCS_CMYK}));
  ASSERT_EQ(found.pixels.size(), 16u * 16 * 3);
  for (size_t i = 0; i < 256; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(found.pixels[3 * i + c], inks.pixels[4 * i + c] * inks.pixels[4 * i + 3] / 255.0,
                  5);
    }
  }
  EXPECT_EQ(decode(encode_jpeg(inks, {.space = JCS_CMYK}), 1).pixels.size(), 256u);
}

TEST(Jpeg, OneDecoderAfterErrorsAndOfManySizes) {
  ImageDecoder decoder;
  DecodedImage image;
  for (int i = 1; i < 30; ++i) {
    const DecodedImage expected = picture(i, 31 - i, 3);
    std::string file = encode_jpeg(expected, {.progressive = i % 2 == 0});
    if (i % 3 == 0) {
      file.resize(file.size() / 2);
      EXPECT_THROW(decoder.decode({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, "x",
                                  3, image),
                   Error);
      continue;
    }
    decoder.decode({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, "x", 3, image);
    EXPECT_LE(largest_difference(image.pixels, expected.pixels), 4);
  }
}

TEST(Jpeg, RefusesTruncationWithOffset) {
  for (const bool progressive : {false, true}) {
    const std::string whole =
        encode_jpeg(picture(40, 40, 3), {.quality = 90, .progressive = progressive});
    for (size_t length = 0; length + 2 < whole.size(); length += 1 + length / 40) {
      const std::string message = data_error([&] { decode(whole.substr(0, length)); });
      expect_contains(message, "test.image: at offset ");
      const size_t offset = std::stoul(message.substr(std::strlen("test.image: at offset ")));
      EXPECT_LE(offset, length) << message;
    }
  }
}

TEST(Png, DecodesEveryDepthAndKind) {
  const int64_t h = 5, w = 7;
  for (const bool interlaced : {false, true}) {
    const DecodedImage colour = picture(h, w, 3);
    const auto kind = [&](int bits, int type) { return PngKind{bits, type, interlaced, {}, {}}; };
    EXPECT_EQ(decode(encode_png(h, w, as_bytes(colour), kind(8, PNG_COLOR_TYPE_RGB))).pixels,
              colour.pixels);
    // 16 bits: the low byte decides about rounding only.
    std::string wide;
    for (const uint8_t value : colour.pixels) wide += std::string(2, static_cast<char>(value));
    EXPECT_EQ(decode(encode_png(h, w, wide, kind(16, PNG_COLOR_TYPE_RGB))).pixels, colour.pixels);
    const DecodedImage gray = picture(h, w, 1);
    EXPECT_EQ(decode(encode_png(h, w, as_bytes(gray), kind(8, PNG_COLOR_TYPE_GRAY)), 1).pixels,
              gray.pixels);
    // 1 bit: a row is one byte here.
    const std::string rows{'\x82', '\x40', '\x00', '\xfe', '\x10'};
    const DecodedImage bits = decode(encode_png(h, w, rows, kind(1, PNG_COLOR_TYPE_GRAY)), 1);
    for (int64_t i = 0; i < h * w; ++i) {
      EXPECT_EQ(bits.pixels[i], (rows[i / w] >> (7 - i % w) & 1) ? 255 : 0);
    }
  }
}

TEST(Png, LaysTransparencyOnWhite) {
  const int64_t h = 6, w = 8;
  std::string rgba, gray_alpha;
  std::vector<int> expected, expected_gray;
  for (int64_t i = 0; i < h * w; ++i) {
    const int alpha = static_cast<int>(i * 255 / (h * w - 1));
    for (const int value : {10, 200, static_cast<int>(i)}) {
      rgba += static_cast<char>(value);
      expected.push_back(
          static_cast<int>(std::lround((value * alpha + 255.0 * (255 - alpha)) / 255)));
    }
    rgba += static_cast<char>(alpha);
    gray_alpha += {static_cast<char>(60), static_cast<char>(alpha)};
    expected_gray.push_back(
        static_cast<int>(std::lround((60 * alpha + 255.0 * (255 - alpha)) / 255)));
  }
  const DecodedImage found = decode(encode_png(h, w, rgba, {.colour = PNG_COLOR_TYPE_RGB_ALPHA}));
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(found.pixels[i], expected[i]);
  const DecodedImage gray =
      decode(encode_png(h, w, gray_alpha, {.colour = PNG_COLOR_TYPE_GRAY_ALPHA}), 1);
  for (size_t i = 0; i < expected_gray.size(); ++i) EXPECT_EQ(gray.pixels[i], expected_gray[i]);
}

TEST(Png, DecodesPalettes) {
  const std::vector<png_color> palette{{255, 0, 0}, {0, 255, 0}, {10, 20, 30}};
  const std::string rows{0, 1, 2, 2, 1, 0};
  const PngKind kind{.colour = PNG_COLOR_TYPE_PALETTE, .palette = palette};
  const DecodedImage found = decode(encode_png(2, 3, rows, kind));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(found.pixels[3 * i], palette[rows[i]].red);
    EXPECT_EQ(found.pixels[3 * i + 1], palette[rows[i]].green);
    EXPECT_EQ(found.pixels[3 * i + 2], palette[rows[i]].blue);
  }
  PngKind clear = kind;
  clear.palette_alpha = {0};  // the first colour is transparent: white
  const DecodedImage white = decode(encode_png(2, 3, rows, clear));
  EXPECT_EQ(white.pixels[1], 255);
  EXPECT_EQ(white.pixels[3], 0);
}

TEST(Png, RefusesTruncationAndDamageWithOffset) {
  const std::string whole = encode_png(picture(40, 40, 3));
  for (size_t length = 8; length + 12 < whole.size(); length += 1 + length / 40) {
    expect_contains(data_error([&] { decode(whole.substr(0, length)); }), "test.image: at offset ");
  }
  std::string damaged = whole;
  damaged[whole.size() / 2] ^= 1;  // the CRC of its chunk
  expect_contains(data_error([&] { decode(damaged); }), "test.image: at offset ");
}

TEST(ImageFile, RefusesWhatIsNoImage) {
  for (const std::string& bytes : {std::string(), std::string("GIF89a"), std::string("\xff\xd8", 2),
                                   std::string(1000, '\0'), std::string("\x89PNG")}) {
    expect_contains(data_error([&] { decode(bytes); }), "neither a JPEG nor a PNG");
  }
}

TEST(ImageFile, RefusesHugeImagesBeforeDecoding) {
  // Headers that claim 60,000 x 60,000 pixels, without the data.
  std::string png = encode_png(picture(4, 4, 3));
  for (const size_t place : {16, 20}) png.replace(place, 4, std::string("\0\0\xea\x60", 4));
  const auto crc =
      static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17));
  for (int i = 0; i < 4; ++i) png[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  expect_contains(data_error([&] { decode(png); }), "too large: 60000x60000");
  std::string jpeg = encode_jpeg(picture(4, 4, 3));
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xea\x60\xea\x60");
  expect_contains(data_error([&] { decode(jpeg); }), "too large: 60000x60000");
}

TEST(ImageFile, RefusesJpegsOfVeryManyScans) {
  // A progressive file whose last scan is there 300 times.
  const std::string file =
      encode_jpeg(picture(64, 64, 1), {.space = JCS_GRAYSCALE, .progressive = true});
  const size_t last = file.rfind("\xff\xda");
  const std::string scan = file.substr(last, file.size() - 2 - last);
  std::string many = file.substr(0, last);
  for (int i = 0; i < 300; ++i) many += scan;
  many += "\xff\xd9";
  expect_contains(data_error([&] { decode(many); }), "more than 200 scans");
}

/// Thousands of damaged files: an image or an Error (data), never a crash. Sanitizers watch.
TEST(ImageFile, MutatedFilesNeverCrash) {
  const int rounds = std::getenv("ENGINE_LONG_TESTS") ? 200'000 : 4'000;
  const std::string seeds[] = {
      encode_jpeg(picture(24, 24, 3), {.quality = 80, .subsampled = true}),
      encode_jpeg(picture(24, 24, 3), {.quality = 60, .progressive = true}),
      encode_jpeg(picture(9, 9, 4), {.space = JCS_CMYK}),
      encode_png(picture(24, 24, 3)),
      encode_png(6, 8, std::string(6 * 8 * 4, 'a'),
                 {.colour = PNG_COLOR_TYPE_RGB_ALPHA, .interlaced = true}),
      encode_png(2, 3, std::string(6, '\1'),
                 {.colour = PNG_COLOR_TYPE_PALETTE, .palette = {{1, 2, 3}, {4, 5, 6}}})};
  ImageDecoder decoder;
  DecodedImage image;
  int good = 0, bad = 0;
  for (int i = 0; i < rounds; ++i) {
    std::string bytes = seeds[i % std::size(seeds)];
    const RandomKey key{static_cast<uint32_t>(i), 4};
    const Philox4 first = key.draw(0, 0, 0);
    for (uint32_t change = 0; change <= first.word[0] % 4; ++change) {
      const Philox4 random = key.draw(1 + change, 0, 0);
      const size_t place = random.word[0] % bytes.size();
      switch (random.word[1] % 5) {
        case 0:
          bytes[place] = static_cast<char>(random.word[2]);
          break;
        case 1:
          bytes[place] ^= static_cast<char>(1 << random.word[2] % 8);
          break;
        case 2:
          bytes.erase(place, random.word[2] % 16);
          break;
        case 3:
          bytes.insert(place, random.word[2] % 16, static_cast<char>(random.word[3]));
          break;
        case 4:
          bytes[place] = static_cast<char>(random.word[2] % 2 ? 0xff : 0);
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    try {
      decoder.decode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "mutant",
                     1 + 2 * (i & 1), image);
      ASSERT_EQ(image.pixels.size(), static_cast<size_t>(image.h * image.w * image.c));
      ++good;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ExitCode::data);
      ++bad;
    }
  }
  EXPECT_GT(good, rounds / 100);
  EXPECT_GT(bad, rounds / 4);
}

TEST(ImageFile, ReadsFilesAndNamesThem) {
  TemporaryFolder folder;
  const DecodedImage image = picture(12, 10, 3);
  write_bytes(folder / "a.png", encode_png(image));
  const std::vector<uint8_t> pixels =
      read_image(folder / "a.png", {1, 12, 10, 3}, DataConfig::Fit::resize);
  EXPECT_EQ(pixels, image.pixels);
  EXPECT_EQ(read_image(folder / "a.png", {1, 6, 6, 1}, DataConfig::Fit::crop).size(), 36u);
  expect_contains(data_error([&] {
                    read_image(folder / "b.png", {1, 6, 6, 1}, DataConfig::Fit::crop);
                  }),
                  folder / "b.png");
  expect_contains(data_error([&] {
                    read_image(folder.path(), {1, 6, 6, 1}, DataConfig::Fit::crop);
                  }),
                  "a folder");
}

}  // namespace
}  // namespace engine::test
