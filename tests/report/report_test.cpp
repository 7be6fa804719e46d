#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/data/image_file.h"
#include "engine/report/base64.h"
#include "engine/report/page.h"
#include "engine/report/picture.h"
#include "engine/report/predictions.h"
#include "engine/report/stage_images.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

/// Figures of scipy.stats.binomtest(k, n).proportion_ci(method="wilson"), SciPy 1.10.
TEST(Predictions, WilsonsIntervalIsSciPys) {
  const auto check = [](double hits, double trials, double low, double high) {
    const Interval interval = wilson_interval(hits / trials, trials);
    EXPECT_NEAR(interval.low, low, 1e-12);
    EXPECT_NEAR(interval.high, high, 1e-12);
  };
  check(712, 1000, 0.6831644885571975, 0.7392129658449271);
  check(0, 20, 0, 0.16112515805281935);
  check(20, 20, 0.8388748419471808, 1);
  check(5723, 8000, 0.7053855076865062, 0.7251577530376688);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(Predictions, AreTheFirstOfTheLargestWithTheirSoftmax) {
  const std::vector<float> logits{1, 1, 0, /**/ -200, 300, 0, /**/ 0, 0, std::log(2.0f)};
  const std::vector<int32_t> labels{1, 1, 2};
  const std::vector<Prediction> all = predictions(logits, labels, 3);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].prediction, 0);
  EXPECT_NEAR(all[0].confidence, std::exp(1.0) / (2 * std::exp(1.0) + 1), 1e-12);
  EXPECT_EQ(all[1].prediction, 1);
  EXPECT_EQ(all[1].confidence, 1);
  EXPECT_EQ(all[2].prediction, 2);
  EXPECT_NEAR(all[2].confidence, 0.5, 1e-7);
  const std::vector<Prediction> wrong = mistakes(all, 10);
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0].row, 0u);
}

TEST(Predictions, MistakesComeMostConfidentFirstAndTiesInOrder) {
  const std::vector<Prediction> all{
      {0, 0, 1, 0.5}, {1, 0, 0, 0.99}, {2, 0, 1, 0.9}, {3, 1, 0, 0.5}, {4, 1, 0, 0.7}};
  const std::vector<Prediction> wrong = mistakes(all, 3);
  ASSERT_EQ(wrong.size(), 3u);
  EXPECT_EQ(wrong[0].row, 2u);
  EXPECT_EQ(wrong[1].row, 4u);
  EXPECT_EQ(wrong[2].row, 0u);
}

/// Worked out by hand: bins of width 0.5 with (0.25, one hit of two) and (0.8, 1.0; both hits).
TEST(Predictions, CalibrationIsTheGapOfItsBins) {
  const std::vector<Prediction> all{{0, 0, 0, 0.2}, {1, 0, 1, 0.3}, {2, 0, 0, 0.8}, {3, 1, 1, 1.0}};
  const Calibration found = calibration(all, 2);
  ASSERT_EQ(found.bins.size(), 2u);
  EXPECT_EQ(found.bins[0].count, 2);
  EXPECT_NEAR(found.bins[0].confidence, 0.25, 1e-12);
  EXPECT_NEAR(found.bins[0].accuracy, 0.5, 1e-12);
  EXPECT_NEAR(found.bins[1].confidence, 0.9, 1e-12);
  EXPECT_NEAR(found.bins[1].accuracy, 1, 1e-12);
  EXPECT_NEAR(found.error, 0.5 * 0.25 + 0.5 * 0.1, 1e-12);
  EXPECT_EQ(calibration({}, 10).error, 0);
}

TEST(Picture, PngIsReadBackAsItWas) {
  for (const int64_t channels : {1, 3}) {
    Picture picture{7, 5, channels, {}};
    for (int64_t i = 0; i < 7 * 5 * channels; ++i) {
      picture.pixels.push_back(static_cast<uint8_t>(i * 37));
    }
    ImageDecoder decoder;
    DecodedImage image;
    decoder.decode(png(picture), "picture", channels, image);
    EXPECT_EQ(image.w, 7);
    EXPECT_EQ(image.h, 5);
    EXPECT_EQ(image.pixels, picture.pixels);
  }
}

TEST(Picture, MapsARangeToBytesAndShowsWhatIsNotANumberAsBlack) {
  const float values[] = {-1, 0, 1, 3, NAN, INFINITY};
  EXPECT_EQ(picture(values, {1, 2, 3, 1}, -1, 1).pixels,
            (std::vector<uint8_t>{0, 128, 255, 255, 0, 0}));
  const float pairs[] = {0, 9, 1, 9};  // two channels: the first is shown
  EXPECT_EQ(picture(pairs, {1, 1, 2, 2}, 0, 1).pixels, (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(picture(values + 1, {1, 1, 1, 1}, 0, 0).pixels, (std::vector<uint8_t>{0}));
}

TEST(Picture, ShrinksByWholePixels) {
  const Picture wide{5, 2, 1, {0, 10, 20, 30, 40, 10, 20, 30, 40, 50}};
  const Picture small = shrunk(wide, 3);
  EXPECT_EQ(small.width, 3);
  EXPECT_EQ(small.height, 1);
  EXPECT_EQ(small.pixels, (std::vector<uint8_t>{10, 30, 45}));
  EXPECT_EQ(shrunk(wide, 5).pixels, wide.pixels);
}

TEST(Picture, TilesAreEnlargedByWholePixelsAndApart) {
  const std::vector<Picture> three(3, Picture{2, 1, 1, {10, 20}});
  const Picture all = tiled(three, 2, 5);  // twice as large: 4 x 2; gaps of 4
  EXPECT_EQ(all.width, 12);
  EXPECT_EQ(all.height, 8);
  const std::vector<uint8_t> row{10, 10, 20, 20, 255, 255, 255, 255, 10, 10, 20, 20};
  const std::vector<uint8_t> half{10, 10, 20, 20, 255, 255, 255, 255, 255, 255, 255, 255};
  const std::vector<uint8_t> gap(12, 255);
  std::vector<uint8_t> expected;
  for (const auto& line : {row, row, gap, gap, gap, gap, half, half}) {
    expected.insert(expected.end(), line.begin(), line.end());
  }
  EXPECT_EQ(all.pixels, expected);
  EXPECT_EQ(tiled({three.data(), 1}, 6, 1).pixels, three[0].pixels) << "never smaller";
}

TEST(Page, Base64IsThatOfRfc4648) {
  const auto encode = [](std::string_view text) {
    return base64({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

TEST(Page, TextsCannotLeaveTheirElement) {
  Value document{Object{}};
  const std::string hostile =
      "</script><script>alert(1)</script><!-- \xE2\x80\xA8\xE2\x80\xA9 & \" <!--DATA-->";
  document.set("name", hostile);
  const std::string json = json_in_html(document);
  EXPECT_EQ(json.find('<'), std::string::npos);
  EXPECT_EQ(json.find("\xE2\x80"), std::string::npos);
  EXPECT_EQ(Json::parse(json)["name"], hostile);
  const std::string page = report_page(document);
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_NE(page.find("<title>&lt;/script&gt;"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* place : {"<!--CSP-->", "<!--TITLE-->", "<!--STYLE-->", "<!--SCRIPT-->"}) {
    EXPECT_EQ(page.find(place), std::string::npos) << place;
  }
}

TEST(StageImages, RowsGoThroughTheClasses) {
  ImageSet set;
  set.labels = {0, 0, 0, 2, 2, 0, 1};
  EXPECT_EQ(rows_of_all_classes(set, 4, 5), (std::vector<int32_t>{0, 6, 3, 1, 4}));
  EXPECT_EQ(rows_of_all_classes(set, 4, 100).size(), 7u);
  EXPECT_TRUE(rows_of_all_classes({}, 3, 5).empty());
}

}  // namespace
}  // namespace engine::test
