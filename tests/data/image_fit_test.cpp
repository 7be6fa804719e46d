// How images are brought to size.

#include <algorithm>

#include "engine/core/random.h"
#include "tests/data/image_support.h"

#include <gtest/gtest.h>

namespace engine::test {
namespace {

std::vector<uint8_t> fit(const DecodedImage& image, int64_t h, int64_t w,
                         DataConfig::Fit fit = DataConfig::Fit::resize) {
  std::vector<uint8_t> out(h * w * image.c, 77);
  fit_image(image, fit, h, w, out.data());
  return out;
}

/// The definition of fit_image in double precision, pixel by pixel.
std::vector<double> plain_resize(const DecodedImage& image, int64_t h, int64_t w) {
  const auto weights = [](int64_t in, int64_t out, int64_t i) {
    std::vector<double> weight(in);
    if (in >= out) {
      const double scale = static_cast<double>(in) / static_cast<double>(out);
      for (int64_t p = 0; p < in; ++p) {
        const double cover =
            std::min<double>(p + 1, (i + 1) * scale) - std::max<double>(p, i * scale);
        weight[p] = std::max(cover, 0.0) / scale;
      }
    } else {
      const double at = std::clamp((i + 0.5) * in / static_cast<double>(out) - 0.5, 0.0, in - 1.0);
      const auto p = static_cast<int64_t>(at);
      weight[p] += 1 - (at - p);
      if (p + 1 < in) weight[p + 1] += at - p;
    }
    return weight;
  };
  std::vector<double> out;
  for (int64_t y = 0; y < h; ++y) {
    const auto wy = weights(image.h, h, y);
    for (int64_t x = 0; x < w; ++x) {
      const auto wx = weights(image.w, w, x);
      for (int64_t c = 0; c < image.c; ++c) {
        double sum = 0;
        for (int64_t i = 0; i < image.h; ++i) {
          for (int64_t j = 0; j < image.w; ++j) {
            sum += wy[i] * wx[j] * image.pixels[(i * image.w + j) * image.c + c];
          }
        }
        out.push_back(sum);
      }
    }
  }
  return out;
}

TEST(FitImage, AgreesWithItsDefinition) {
  const int64_t sizes[] = {1, 2, 3, 5, 8, 13, 31};
  for (const int64_t h : sizes) {
    for (const int64_t w : sizes) {
      DecodedImage image = picture(h, w, 3);
      for (size_t i = 0; i < image.pixels.size(); ++i) {
        image.pixels[i] =
            static_cast<uint8_t>(RandomKey{1, 2}.draw(static_cast<uint32_t>(i), 0, 0).word[0]);
      }
      for (const auto& [to_h, to_w] : {std::pair{1, 1}, {2, 7}, {8, 8}, {13, 3}, {32, 5}}) {
        const std::vector<uint8_t> found = fit(image, to_h, to_w);
        const std::vector<double> expected = plain_resize(image, to_h, to_w);
        for (size_t i = 0; i < found.size(); ++i) {
          ASSERT_NEAR(found[i], expected[i], 0.52)
              << h << "x" << w << " to " << to_h << "x" << to_w;
        }
      }
    }
  }
}

TEST(FitImage, KeepsWhiteWhiteAndTheRightSizeAsItIs) {
  DecodedImage white = picture(1000, 777, 1);
  std::fill(white.pixels.begin(), white.pixels.end(), 255);
  for (const auto& [h, w] : {std::pair{32, 32}, {1, 1}, {31, 1500}, {1200, 3}}) {
    for (const uint8_t pixel : fit(white, h, w)) ASSERT_EQ(pixel, 255);
  }
  const DecodedImage image = picture(32, 24, 3);
  EXPECT_EQ(fit(image, 32, 24), image.pixels);
  EXPECT_EQ(fit(image, 32, 24, DataConfig::Fit::crop), image.pixels);
}

TEST(FitImage, CropTakesTheMiddle) {
  // 4 rows of 10: columns 3 to 6 are the middle square.
  DecodedImage image{4, 10, 1, std::vector<uint8_t>(40)};
  for (int i = 0; i < 40; ++i) image.pixels[i] = static_cast<uint8_t>(i);
  const std::vector<uint8_t> middle = fit(image, 4, 4, DataConfig::Fit::crop);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(middle[i], i / 4 * 10 + 3 + i % 4);
  EXPECT_EQ(fit(image, 2, 2, DataConfig::Fit::crop).size(), 4u);
  EXPECT_EQ(fit(image, 100, 1, DataConfig::Fit::crop).size(), 100u);
}

}  // namespace
}  // namespace engine::test
