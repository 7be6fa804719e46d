// Noise: its distribution, that it is a function of (seed, stage, epoch, sample, element) alone,
// and that it is Box-Muller on the documented words.

#include <algorithm>
#include <cmath>

#include "tests/image/pipeline_support.h"

namespace engine::test {
namespace {

/// The normals that a sample of so many elements gets: noise on black images is noise.
std::vector<float> draw(int64_t count, Shape shape, uint32_t seed, uint32_t epoch = 0,
                        const char* when = "every_epoch") {
  ImageSet images = random_images(shape.with_batch(count));
  std::fill(images.pixels.begin(), images.pixels.end(), 0);
  TestPipeline pipeline(fmt::format(R"([{{"op": "noise", "sigma": 1, "when": "{}"}}])", when),
                        shape, seed);
  return pipeline.run(images, true, epoch);
}

/// Units in the last place between a float and the true value.
double ulps(float found, double exact) {
  if (exact == 0) return found == 0 ? 0 : INFINITY;
  const float near = static_cast<float>(exact);
  const double unit =
      static_cast<double>(std::nextafter(std::fabs(near), INFINITY)) - std::fabs(near);
  return std::fabs(static_cast<double>(found) - exact) / unit;
}

TEST(Noise, IsBoxMullerOnTheDocumentedWords) {
  const Shape shape{1, 7, 5, 3};  // 105 elements: the last block is not full
  const std::vector<float> found = draw(6, shape, 77, 3);
  const RandomKey key{77, random_stream("noise", "noise")};
  double worst = 0;
  for (uint32_t sample = 0; sample < 6; ++sample) {
    for (int64_t e = 0; e < shape.per_sample(); ++e) {
      const Philox4 words = key.draw(static_cast<uint32_t>(e / 4), 3, sample);
      const int64_t pair = e % 4 / 2 * 2;
      // The uniforms are float32 by definition; from them on, everything is exact.
      const double u = static_cast<double>(uniform_from_bits(words.word[pair]));
      const double v = static_cast<double>(
          static_cast<float>(static_cast<double>(static_cast<float>(words.word[pair + 1])) *
                                 0x1p-32 * 6.2831854820251465 +
                             0x1p-33 * 6.2831854820251465));
      const double radius = std::sqrt(-2 * std::log(u));
      const double exact = radius * (e % 2 ? std::cos(v) : std::sin(v));
      worst = std::max(worst, std::fabs(static_cast<double>(found[sample * 105 + e]) - exact));
      float first, second;
      normals_from_bits(words.word[pair], words.word[pair + 1], first, second);
      EXPECT_NEAR(found[sample * 105 + e], e % 2 ? second : first, 2e-6);
    }
  }
  EXPECT_LT(worst, 1e-6);
}

TEST(Noise, LogarithmIsWithinTwoUlps) {
  double worst = 0;
  for (uint32_t i = 0; i < 2'000'000; ++i) {
    const float u = uniform_from_bits(i < 1'000'000 ? i * 4294u : 0xffffffffu - (i - 1'000'000));
    worst = std::max(worst, ulps(log_unit(u), std::log(static_cast<double>(u))));
  }
  EXPECT_LT(worst, 1.5);
  EXPECT_EQ(log_unit(1.0f), 0.0f);
  EXPECT_NEAR(log_unit(uniform_from_bits(0)), std::log(0x1p-33), 1e-6);
}

TEST(Noise, SineAndCosineAreWithinTwoUlpsOfOne) {
  double worst = 0, worst_relative = 0;
  for (uint32_t i = 0; i <= 2'000'000; ++i) {
    const float v = static_cast<float>(i) * (6.2831855f / 2e6f);
    float sine, cosine;
    sin_cos_turn(v, sine, cosine);
    const double s = std::sin(static_cast<double>(v)), c = std::cos(static_cast<double>(v));
    worst = std::max({worst, std::fabs(sine - s), std::fabs(cosine - c)});
    if (std::fabs(s) > 1e-3) worst_relative = std::max(worst_relative, ulps(sine, s));
    if (std::fabs(c) > 1e-3) worst_relative = std::max(worst_relative, ulps(cosine, c));
  }
  EXPECT_LT(worst, 1.2e-7);
  EXPECT_LT(worst_relative, 2);
}

TEST(Noise, HasTheStatedDistribution) {
  const std::vector<float> normals = draw(9766, {1, 32, 32, 1}, 5);  // 10^7
  const double n = static_cast<double>(normals.size());
  double sum = 0, square = 0, cube = 0, fourth = 0;
  for (const double x : normals) {
    sum += x;
    square += x * x;
    cube += x * x * x;
    fourth += x * x * x * x;
  }
  // Five standard errors of each moment.
  EXPECT_LT(std::fabs(sum / n), 5 / std::sqrt(n));
  EXPECT_LT(std::fabs(square / n - 1), 5 * std::sqrt(2 / n));
  EXPECT_LT(std::fabs(cube / n), 5 * std::sqrt(15 / n));
  EXPECT_LT(std::fabs(fourth / n - 3), 5 * std::sqrt(96 / n));
  // Kolmogorov-Smirnov: p > 1e-3 means sqrt(n) D < 1.95.
  std::vector<float> sorted = normals;
  std::sort(sorted.begin(), sorted.end());
  double distance = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const double p = 0.5 * std::erfc(-sorted[i] / std::sqrt(2.0));
    distance =
        std::max({distance, (static_cast<double>(i) + 1) / n - p, p - static_cast<double>(i) / n});
  }
  EXPECT_LT(std::sqrt(n) * distance, 1.95);
  // Neighbours in a row, pairs of one draw, and the same pixel of consecutive samples are
  // independent.
  for (const size_t lag : {1, 2, 4, 32, 1024}) {
    double product = 0;
    for (size_t i = lag; i < normals.size(); ++i)
      product += double{normals[i]} * double{normals[i - lag]};
    EXPECT_LT(std::fabs(product / n), 5 / std::sqrt(n)) << lag;
  }
}

TEST(Noise, DependsOnNothingButItsKey) {
  const Shape shape{1, 9, 7, 1};
  const char* json = R"([{"op": "noise", "sigma": 0.5, "when": "every_epoch"}])";
  const ImageSet images = random_images(shape.with_batch(50), 1000);
  set_threads(1);
  TestPipeline one(json, shape);
  const std::vector<float> expected = one.run(images, true, 4);
  for (const int threads : {1, 2}) {
    set_threads(threads);
    TestPipeline pipeline(json, shape);
    const auto set = pipeline->prepare(images, true);
    for (const std::vector<int32_t>& order :
         {std::vector<int32_t>{3}, {49, 0, 3, 17}, {1, 3, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
      const std::vector<float> batch = pipeline.gather(*set, order, 4);
      for (size_t i = 0; i < order.size(); ++i) {
        EXPECT_EQ(std::memcmp(&batch[i * 63], &expected[order[i] * 63], 63 * sizeof(float)), 0);
      }
    }
  }
  // The same sample among other images, with another index.
  ImageSet few = random_images(shape.with_batch(1), 1000 + 7);
  std::copy_n(&images.pixels[7 * 63], 63, few.pixels.begin());
  EXPECT_EQ(std::memcmp(one.run(few, false, 4).data(), &expected[7 * 63], 63 * sizeof(float)), 0);
}

TEST(Noise, SeedStageEpochAndSampleAllMatter) {
  const Shape shape{1, 8, 8, 1};
  const std::vector<float> first = draw(2, shape, 1, 0);
  EXPECT_FALSE(same_floats(first, draw(2, shape, 2, 0)));
  EXPECT_FALSE(same_floats(first, draw(2, shape, 1, 1)));
  EXPECT_NE(std::memcmp(&first[0], &first[64], 64 * sizeof(float)), 0);
  const ImageSet images = random_images(shape.with_batch(2));
  TestPipeline a(R"([{"op": "noise", "sigma": 1}])", shape);
  TestPipeline b(R"([{"op": "noise", "sigma": 1, "name": "other"}])", shape);
  EXPECT_FALSE(same_floats(a.run(images), b.run(images)));
}

TEST(Noise, OnceIsTheSameInEveryEpochAndEqualsEpochZero) {
  const Shape shape{1, 8, 8, 3};
  const std::vector<float> once = draw(3, shape, 1, 0, "once");
  EXPECT_TRUE(same_floats(once, draw(3, shape, 1, 9, "once")));
  EXPECT_TRUE(same_floats(once, draw(3, shape, 1, 0, "every_epoch")));
}

TEST(Noise, SigmaZeroChangesNoBit) {
  const ImageSet images = random_images({4, 5, 5, 3});
  TestPipeline with(R"([{"op": "noise", "sigma": 0}])", {1, 5, 5, 3}), without("[]", {1, 5, 5, 3});
  EXPECT_TRUE(same_floats(with.run(images), without.run(images)));
}

TEST(Noise, IsScaledAndNotClipped) {
  const ImageSet images = random_images({20, 16, 16, 1});
  TestPipeline pipeline(R"([{"op": "noise", "sigma": 0.25}])", {1, 16, 16, 1});
  const std::vector<float> found = pipeline.run(images);
  const std::vector<float> normals = draw(20, {1, 16, 16, 1}, 1);
  bool below = false, above = false;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], images.pixels[i] / 255.0 + 0.25 * normals[i], 1e-6);
    below = below || found[i] < 0;
    above = above || found[i] > 1;
  }
  EXPECT_TRUE(below && above);
}

}  // namespace
}  // namespace engine::test
