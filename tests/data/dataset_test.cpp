// Configuration, the shapes images, splits and permutations, statistics.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>

#include "engine/core/permutation.h"
#include "engine/data/dataset.h"
#include "engine/data/shapes.h"
#include "engine/data/stats.h"
#include "engine/data/verify.h"
#include "tests/data/cifar10_support.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

Dataset shapes(int64_t count, uint32_t seed, int threads = 2, int64_t size = 32) {
  DataConfig config;
  config.source = DataConfig::Source::shapes;
  config.count = count;
  config.size = Pair(size, 1);
  return load_dataset(config, {.threads = threads}, seed);
}

TEST(Shapes, DependsOnTheSeedAlone) {
  const Dataset a = shapes(200, 1);
  EXPECT_EQ(a.train.pixels, shapes(200, 1, 1).train.pixels);
  EXPECT_EQ(a.fingerprint, shapes(200, 1, 3).fingerprint);
  EXPECT_NE(a.fingerprint, shapes(200, 2).fingerprint);
  EXPECT_EQ(a.train.shape, (Shape{200, 32, 32, 3}));
  EXPECT_EQ(a.test.shape, (Shape{40, 32, 32, 3}));
}

TEST(Shapes, HasEachClassEquallyOftenInNoOrder) {
  const Dataset data = shapes(500, 3);
  EXPECT_EQ(data.classes.size(), 10u);
  EXPECT_TRUE(std::is_sorted(data.classes.begin(), data.classes.end()));
  for (const ImageSet* set : {&data.train, &data.test}) {
    std::map<int32_t, int64_t> counts;
    for (const int32_t label : set->labels) ++counts[label];
    EXPECT_EQ(counts.size(), 10u);
    for (const auto& [label, count] : counts) EXPECT_EQ(count, set->shape.n / 10) << label;
    int64_t neighbours = 0;
    for (size_t i = 1; i < set->labels.size(); ++i)
      neighbours += set->labels[i] == set->labels[i - 1];
    EXPECT_LT(neighbours, set->shape.n / 4);
  }
  std::set<std::vector<uint8_t>> different;
  for (int64_t i = 0; i < 500; ++i) {
    different.emplace(&data.train.pixels[i * 3072], &data.train.pixels[i * 3072] + 3072);
  }
  EXPECT_EQ(different.size(), 500u);
}

/// Mean over a class of a quantity of its images.
template <class Measure>
double class_mean(const Dataset& data, const std::string& name, const Measure& measure) {
  const auto label =
      std::find(data.classes.begin(), data.classes.end(), name) - data.classes.begin();
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < data.train.shape.n; ++i) {
    if (data.train.labels[i] != label) continue;
    sum += measure(&data.train.pixels[i * 3072]);
    ++count;
  }
  return sum / static_cast<double>(count);
}

TEST(Shapes, ColourPairsHaveTheSameMeanOverChannels) {
  const Dataset data = shapes(4000, 5);
  const auto gray = [](const uint8_t* p) {
    double sum = 0;
    for (int i = 0; i < 3072; ++i) sum += p[i];
    return sum / 3072;
  };
  const auto redness = [](const uint8_t* p) {
    double sum = 0;
    for (int i = 0; i < 1024; ++i) sum += p[3 * i] - p[3 * i + 1];
    return sum / 1024;
  };
  EXPECT_NEAR(class_mean(data, "red_disc", gray), class_mean(data, "green_disc", gray), 6);
  EXPECT_GT(class_mean(data, "red_disc", redness) - class_mean(data, "green_disc", redness), 8);
}

TEST(Shapes, TextureClassesDifferInTheHighestFrequenciesOnly) {
  const Dataset data = shapes(4000, 6);
  // Differences of neighbours, and of means of 2 x 2 pixels, where the finest textures are gone.
  const auto fine = [](const uint8_t* p) {
    double sum = 0;
    for (int i = 0; i < 32 * 31; ++i)
      sum += std::abs(p[3 * i] - p[3 * i + 3]) + std::abs(p[3 * i] - p[3 * i + 96]);
    return sum / (32 * 31);
  };
  const auto coarse = [](const uint8_t* p) {
    double sum = 0;
    const auto mean = [&](int y, int x) {
      double m = 0;
      for (int d = 0; d < 4; ++d) m += p[(((2 * y + (d >> 1)) * 32) + 2 * x + (d & 1)) * 3] / 4.0;
      return m;
    };
    for (int y = 0; y < 15; ++y) {
      for (int x = 0; x < 15; ++x) sum += std::fabs(mean(y, x) - mean(y, x + 1));
    }
    return sum / 225;
  };
  const double plain = class_mean(data, "plain_square", fine);
  EXPECT_GT(class_mean(data, "checked_square", fine), plain * 1.4);
  EXPECT_GT(class_mean(data, "striped_square", fine), plain * 1.2);
  EXPECT_NEAR(class_mean(data, "checked_square", coarse), class_mean(data, "plain_square", coarse),
              0.6);
}

TEST(Shapes, AnySize) {
  DataConfig config;
  config.source = DataConfig::Source::shapes;
  config.count = 10;
  for (const auto& [h, w] : {std::pair{1, 1}, {7, 64}, {224, 224}}) {
    config.size = Pair(1, 1);
    config.size.h = h;
    config.size.w = w;
    const Dataset data = load_dataset(config, {}, 1);
    EXPECT_EQ(data.train.pixels.size(), static_cast<size_t>(10 * h * w * 3));
    EXPECT_EQ(inspect_dataset(config, {}).image, data.image);
  }
  config.size.h = 1 << 20;
  EXPECT_THROW(load_dataset(config, {}, 1), Error);
}

TEST(Permutation, IsOne) {
  for (const int64_t count : {0, 1, 2, 1000, 50000}) {
    std::vector<int32_t> order = permutation(count, {1, 2}, 3);
    EXPECT_EQ(order, permutation(count, {1, 2}, 3));
    if (count > 100) {
      EXPECT_NE(order, permutation(count, {1, 2}, 4));
      EXPECT_NE(order, permutation(count, {1, 3}, 3));
      EXPECT_NE(order, permutation(count, {2, 2}, 3));
      int64_t fixed = 0;
      for (int64_t i = 0; i < count; ++i) fixed += order[i] == i;
      EXPECT_LT(fixed, 12);
    }
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < count; ++i) ASSERT_EQ(order[i], i);
  }
}

TEST(Permutation, SortsByPhiloxKeys) {
  const std::vector<int32_t> order = permutation(100, {7, 8}, 9);
  uint64_t before = 0;
  for (const int32_t i : order) {
    const Philox4 words = RandomKey{7, 8}.draw(static_cast<uint32_t>(i), 9, 0);
    const uint64_t key = uint64_t{words.word[1]} << 32 | words.word[0];
    EXPECT_GE(key, before);
    before = key;
  }
}

TEST(Permutation, EveryPlaceIsEquallyLikely) {
  // Where index 0 of 8 ends up, over 8000 epochs: 1000 each, standard deviation 30.
  std::vector<int> counts(8);
  for (uint32_t epoch = 0; epoch < 8000; ++epoch) {
    const auto order = permutation(8, {1, 2}, epoch);
    ++counts[std::find(order.begin(), order.end(), 0) - order.begin()];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(Split, TakesEveryImageOnceAndKeepsItsLabelAndNumber) {
  const Dataset all = shapes(300, 2);
  const Split split = split_dataset(shapes(300, 2), 0.2, 9);
  EXPECT_EQ(split.train.shape.n, 240);
  EXPECT_EQ(split.validation.shape.n, 60);
  EXPECT_EQ(split.test.shape.n, 60);
  std::set<int32_t> seen;
  for (const ImageSet* set : {&split.train, &split.validation, &split.test}) {
    for (int64_t i = 0; i < set->shape.n; ++i) {
      const int32_t sample = set->samples[i];
      EXPECT_TRUE(seen.insert(sample).second);
      const bool test = sample >= 300;
      EXPECT_EQ(test, set == &split.test);
      const ImageSet& source = test ? all.test : all.train;
      const int64_t place = test ? sample - 300 : sample;
      EXPECT_EQ(set->labels[i], source.labels[place]);
      EXPECT_TRUE(std::equal(&set->pixels[i * 3072], &set->pixels[i * 3072] + 3072,
                             &source.pixels[place * 3072]));
    }
  }
  EXPECT_EQ(seen.size(), 360u);
  EXPECT_EQ(split.test.samples, all.test.samples);  // had no order by class: stays
  EXPECT_NE(split_dataset(shapes(300, 2), 0.2, 10).train.samples, split.train.samples);
  EXPECT_EQ(split_dataset(shapes(300, 2), 0.2, 9).train.samples, split.train.samples);
}

TEST(Split, ShufflesSortedTestImages) {
  Dataset data = shapes(300, 2);
  std::sort(data.test.labels.begin(), data.test.labels.end());
  const Split split = split_dataset(std::move(data), 0.2, 9);
  EXPECT_FALSE(std::is_sorted(split.test.labels.begin(), split.test.labels.end()));
  std::set<int32_t> samples(split.test.samples.begin(), split.test.samples.end());
  EXPECT_EQ(samples.size(), 60u);
}

TEST(Split, WithoutValidationAndWithTooMuch) {
  EXPECT_EQ(split_dataset(shapes(100, 1), 0, 1).validation.shape.n, 0);
  EXPECT_EQ(split_dataset(shapes(100, 1), 0, 1).train.shape.n, 100);
  EXPECT_THROW(split_dataset(shapes(10, 1), 0.99, 1), Error);
}

TEST(Limits, KeepEvenlySpreadImages) {
  DataConfig config;
  config.source = DataConfig::Source::shapes;
  config.count = 100;
  const Dataset all = load_dataset(config, {}, 1);
  config.limit = 40;
  config.test_limit = 7;
  const Dataset some = load_dataset(config, {}, 1);
  ASSERT_EQ(some.train.shape.n, 40);
  ASSERT_EQ(some.test.shape.n, 7);
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t from = i * 100 / 40;
    EXPECT_EQ(some.train.labels[i], all.train.labels[from]);
    EXPECT_TRUE(std::equal(&some.train.pixels[i * 3072], &some.train.pixels[i * 3072] + 3072,
                           &all.train.pixels[from * 3072]));
    EXPECT_EQ(some.train.samples[i], i);
  }
  EXPECT_EQ(some.test.samples[0], 40);
  config.limit = 1000;
  EXPECT_EQ(load_dataset(config, {}, 1).train.shape.n, 100);
}

TEST(DataFolder, OptionThenDataThenEnvironment) {
  TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  setenv("ENGINE_DATA", "/somewhere", 1);
  EXPECT_EQ(resolve_data_dir("given"), "given");
  EXPECT_EQ(resolve_data_dir(""), "/somewhere");
  std::filesystem::create_directory("data");
  EXPECT_EQ(resolve_data_dir(""), "data");
  std::filesystem::remove("data");
  unsetenv("ENGINE_DATA");
  EXPECT_EQ(resolve_data_dir(""), "data");
  std::filesystem::current_path(before);
}

TEST(Inspect, NeedsNoFilesForCifar10AndShapes) {
  DataConfig config;
  EXPECT_EQ(inspect_dataset(config, {.data_dir = "/nowhere"}).classes.size(), 10u);
  EXPECT_EQ(inspect_dataset(config, {.data_dir = "/nowhere"}).image, (Shape{1, 32, 32, 3}));
  config.source = DataConfig::Source::shapes;
  EXPECT_EQ(inspect_dataset(config, {}).classes, shape_classes());
}

TEST(Stats, CountsAndMeasures) {
  const Dataset data = shapes(100, 1);
  const DataStats stats = data_stats(data);
  EXPECT_EQ(stats.train, std::vector<int64_t>(10, 10));
  EXPECT_EQ(stats.test, std::vector<int64_t>(10, 2));
  for (int c = 0; c < 3; ++c) {
    double mean = 0, square = 0;
    const double n = 100 * 1024;
    for (size_t i = c; i < data.train.pixels.size(); i += 3)
      mean += data.train.pixels[i] / 255.0 / n;
    for (size_t i = c; i < data.train.pixels.size(); i += 3) {
      square += std::pow(data.train.pixels[i] / 255.0 - mean, 2) / n;
    }
    EXPECT_NEAR(stats.mean[c], mean, 1e-9);
    EXPECT_NEAR(stats.deviation[c], std::sqrt(square), 1e-9);
  }
  const std::string table = to_table(stats);
  expect_contains(table, "checked_square");
  expect_contains(table, stats.fingerprint);
  const Value value = to_value(stats);
  EXPECT_EQ(value.find("training")->integer(), 100);
  EXPECT_EQ(value.find("classes")->array().size(), 10u);
  EXPECT_EQ(value.find("mean")->array()[2].number(), stats.mean[2]);
}

TEST(Verify, FindsWhatIsWrong) {
  TemporaryFolder folder;
  EXPECT_THROW(verify_cifar10(folder.path(), 1), Error);
  // Small files are not the official ones: each check says so.
  write_cifar10_folder(folder.path());
  write_bytes(folder / Cifar10::kArchive, gzip(good_tar()));
  const Verification result = verify_cifar10(folder.path(), 1);
  EXPECT_FALSE(result.good());
  ASSERT_EQ(result.checks.size(), 3u);
  for (const auto& check : result.checks) EXPECT_FALSE(check.good) << check.what;
  expect_contains(result.checks[0].found, Cifar10::kSha256);
  expect_contains(result.checks[2].found, "expected 30730000");
}

}  // namespace
}  // namespace engine::test
