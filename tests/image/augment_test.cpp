// Random flips and crops, and long chains of stages against the same stages written down plainly.

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/image/pipeline_support.h"

namespace engine::test {
namespace {

TEST(Augment, FlipsHalfOfTheImagesAnewEachEpoch) {
  const Shape shape{1, 3, 5, 3};
  const ImageSet images = random_images(shape.with_batch(400));
  const std::vector<float> plain = TestPipeline("[]", shape).run(images);
  TestPipeline pipeline(R"([{"op": "random_flip"}])", shape);
  EXPECT_TRUE(same_floats(pipeline.run(images, false), plain));  // evaluation: as they are
  std::vector<int> flipped_before;
  for (uint32_t epoch = 0; epoch < 2; ++epoch) {
    const std::vector<float> found = pipeline.run(images, true, epoch);
    std::vector<int> flipped(400);
    for (int64_t n = 0; n < 400; ++n) {
      const float* image = &plain[n * 45];
      bool same = true, mirrored = true;
      for (int64_t i = 0; i < 45; ++i) {
        const int64_t y = i / 15, x = i / 3 % 5, c = i % 3;
        same = same && found[n * 45 + i] == image[i];
        mirrored = mirrored && found[n * 45 + i] == image[(y * 5 + 4 - x) * 3 + c];
      }
      ASSERT_NE(same, mirrored);
      flipped[n] = mirrored;
    }
    const int64_t count = std::count(flipped.begin(), flipped.end(), 1);
    EXPECT_GT(count, 150);
    EXPECT_LT(count, 250);
    EXPECT_NE(flipped, flipped_before);
    flipped_before = flipped;
  }
  TestPipeline always(R"([{"op": "random_flip", "probability": 1, "mode": "vertical"}])", shape);
  const std::vector<float> turned = always.run(images, true);
  for (int64_t n = 0; n < 400; ++n) {
    for (int64_t y = 0; y < 3; ++y) {
      EXPECT_EQ(
          std::memcmp(&turned[n * 45 + y * 15], &plain[n * 45 + (2 - y) * 15], 15 * sizeof(float)),
          0);
    }
  }
  TestPipeline never(R"([{"op": "random_flip", "probability": 0}])", shape);
  EXPECT_TRUE(same_floats(never.run(images, true), plain));
}

TEST(Augment, CropsAtEveryPlaceEquallyOften) {
  const Shape shape{1, 4, 6, 1};
  const ImageSet images = random_images(shape.with_batch(2500));
  const std::vector<float> plain = TestPipeline("[]", shape).run(images);
  for (const bool mirrored : {false, true}) {
    TestPipeline pipeline(
        fmt::format(R"([{{"op": "random_crop", "padding": 2, "padding_mode": "{}"}}])",
                    mirrored ? "reflect" : "zero"),
        shape);
    EXPECT_TRUE(same_floats(pipeline.run(images, false), plain));
    const std::vector<float> found = pipeline.run(images, true, 1);
    std::map<std::pair<int, int>, int> places;
    for (int64_t n = 0; n < 2500; ++n) {
      int matches = 0;
      std::pair<int, int> place;
      for (int dy = -2; dy <= 2; ++dy) {
        for (int dx = -2; dx <= 2; ++dx) {
          bool same = true;
          for (int y = 0; y < 4 && same; ++y) {
            for (int x = 0; x < 6 && same; ++x) {
              const int fy = y + dy, fx = x + dx;
              const bool inside = fy >= 0 && fy < 4 && fx >= 0 && fx < 6;
              const int my = fy < 0 ? -1 - fy : fy >= 4 ? 7 - fy : fy;
              const int mx = fx < 0 ? -1 - fx : fx >= 6 ? 11 - fx : fx;
              const float expected = inside || mirrored ? plain[n * 24 + my * 6 + mx] : 0.0f;
              same = found[n * 24 + y * 6 + x] == expected;
            }
          }
          if (same) {
            ++matches;
            place = {dy, dx};
          }
        }
      }
      ASSERT_EQ(matches, 1) << n;
      ++places[place];
    }
    EXPECT_EQ(places.size(), 25u);
    for (const auto& [place, count] : places) {
      EXPECT_GT(count, 50);  // 100 expected, standard deviation 10
      EXPECT_LT(count, 150);
    }
  }
}

TEST(Augment, CropPaddingMayBeLargerThanTheImage) {
  const ImageSet images = random_images({30, 2, 3, 2});
  for (const char* mode : {"zero", "reflect"}) {
    TestPipeline pipeline(
        fmt::format(R"([{{"op": "random_crop", "padding": 9, "padding_mode": "{}"}}])", mode),
        {1, 2, 3, 2});
    for (const float x : pipeline.run(images, true)) EXPECT_TRUE(x >= 0 && x <= 1);
  }
}

// The stages below once more, each written down plainly in double precision.

using Doubles = std::vector<double>;

Doubles plain_crop(const Doubles& in, Shape s, CropOffset offset) {
  Doubles out(in.size());
  for (int64_t i = 0; i < s.per_sample(); ++i) {
    const int64_t y = i / (s.w * s.c) + offset.y, x = i / s.c % s.w + offset.x;
    if (y >= 0 && y < s.h && x >= 0 && x < s.w) out[i] = in[(y * s.w + x) * s.c + i % s.c];
  }
  return out;
}

Doubles plain_flip(const Doubles& in, Shape s, bool vertical) {
  Doubles out(in.size());
  for (int64_t i = 0; i < s.per_sample(); ++i) {
    const int64_t y = i / (s.w * s.c), x = i / s.c % s.w;
    const int64_t from = vertical ? (s.h - 1 - y) * s.w + x : y * s.w + s.w - 1 - x;
    out[i] = in[from * s.c + i % s.c];
  }
  return out;
}

Doubles plain_smooth(const Doubles& in, Shape s, double sigma) {
  const auto radius = static_cast<int64_t>(4 * sigma + 0.5);
  const auto mirror = [](int64_t i, int64_t n) {
    while (i < 0 || i >= n) i = i < 0 ? -1 - i : 2 * n - 1 - i;
    return i;
  };
  Doubles out(in.size());
  double total = 0;
  for (int64_t a = -radius; a <= radius; ++a) total += std::exp(-0.5 * a * a / (sigma * sigma));
  for (int64_t i = 0; i < s.per_sample(); ++i) {
    const int64_t y = i / (s.w * s.c), x = i / s.c % s.w;
    for (int64_t a = -radius; a <= radius; ++a) {
      for (int64_t b = -radius; b <= radius; ++b) {
        const double weight = std::exp(-0.5 * (a * a + b * b) / (sigma * sigma)) / total / total;
        out[i] += weight * in[(mirror(y + a, s.h) * s.w + mirror(x + b, s.w)) * s.c + i % s.c];
      }
    }
  }
  return out;
}

TEST(Pipeline, ChainsOfManyStagesAgreeWithPlainOnes) {
  const Shape shape{1, 6, 7, 3};
  const uint32_t seed = 3, epoch = 2;
  const ImageSet images = random_images(shape.with_batch(25), 40);
  TestPipeline pipeline(
      R"([{"op": "random_crop", "padding": 1}, {"op": "random_flip"},
          {"op": "noise", "sigma": 0.1, "when": "every_epoch"},
          {"op": "smooth", "sigma": 0.8, "when": "every_epoch"},
          {"op": "random_flip", "name": "second", "mode": "vertical"},
          {"op": "grayscale", "when": "every_epoch"},
          {"op": "normalize", "mean": 0.5, "std": 0.25, "when": "every_epoch"}])",
      shape, seed);
  const std::vector<float> found = pipeline.run(images, true, epoch);
  const auto key = [&](const char* purpose, const char* name) {
    return RandomKey{seed, random_stream(purpose, name)};
  };
  for (uint32_t n = 0; n < 25; ++n) {
    const uint32_t sample = 40 + n;
    Doubles x(shape.per_sample());
    for (size_t i = 0; i < x.size(); ++i) x[i] = images.pixels[n * x.size() + i] / 255.0;
    x = plain_crop(x, shape, draw_crop(key("random_crop", "random_crop"), 1, epoch, sample));
    if (draws_flip(key("random_flip", "random_flip"), 0.5f, epoch, sample))
      x = plain_flip(x, shape, false);
    for (size_t e = 0; e < x.size(); ++e) {
      const Philox4 words = key("noise", "noise").draw(static_cast<uint32_t>(e / 4), epoch, sample);
      float normals[2];
      normals_from_bits(words.word[e % 4 / 2 * 2], words.word[e % 4 / 2 * 2 + 1], normals[0],
                        normals[1]);
      x[e] += 0.1 * normals[e % 2];
    }
    x = plain_smooth(x, shape, 0.8);
    if (draws_flip(key("random_flip", "second"), 0.5f, epoch, sample))
      x = plain_flip(x, shape, true);
    for (size_t i = 0; i < 42; ++i) {
      const double gray = (x[3 * i] + x[3 * i + 1] + x[3 * i + 2]) / 3;
      EXPECT_NEAR(found[n * 42 + i], (gray - 0.5) / 0.25, 5e-6);
    }
  }
}

}  // namespace
}  // namespace engine::test
