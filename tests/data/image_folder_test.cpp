// Image folders: what is listed, what is refused, skipping bad files, and the cache.

#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "engine/core/file.h"
#include "engine/data/dataset.h"
#include "engine/data/image_folder.h"
#include "engine/data/make_folder.h"
#include "tests/data/cifar10_support.h"
#include "tests/data/image_support.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

DataConfig folder_config(int64_t size = 8) {
  DataConfig config;
  config.source = DataConfig::Source::image_folder;
  config.path = "images";
  config.size = Pair(size, 1);
  return config;
}

/// One colour: tells which file it came from.
std::string plain_png(int value) {
  DecodedImage image{8, 8, 3, std::vector<uint8_t>(192, static_cast<uint8_t>(value))};
  return encode_png(image);
}

/// images/{train,test}/{ant,Bee,cow}/..., 4 training images and 2 test images a class.
class Images {
 public:
  Images() {
    int value = 0;
    for (const char* split : {"train", "test"}) {
      for (const char* name : {"ant", "Bee", "cow"}) {
        for (int i = 0; i < (split[1] == 'r' ? 4 : 2); ++i) {
          write_bytes(file(fmt::format("{}/{}/{}.png", split, name, i)), plain_png(10 * value++));
        }
      }
    }
  }
  std::string file(const std::string& name) const {
    return (folder_.path() / "images" / name).string();
  }
  Dataset load(const DataConfig& config = folder_config(), bool skip_bad = false,
               int threads = 2) const {
    return load_dataset(config,
                        {.data_dir = folder_.path(), .skip_bad = skip_bad, .threads = threads}, 1);
  }
  std::vector<std::filesystem::path> caches() const {
    std::vector<std::filesystem::path> found;
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder_.path() / ".engine-cache", none)) {
      found.push_back(entry.path());
    }
    return found;
  }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

bool same(const Dataset& a, const Dataset& b) {
  return a.train.pixels == b.train.pixels && a.test.pixels == b.test.pixels &&
         a.train.labels == b.train.labels && a.test.labels == b.test.labels &&
         a.train.samples == b.train.samples && a.test.samples == b.test.samples &&
         a.classes == b.classes && a.fingerprint == b.fingerprint &&
         a.train.shape == b.train.shape && a.test.shape == b.test.shape && a.skipped == b.skipped;
}

TEST(ImageFolder, ListsInAlphabeticalOrder) {
  Images images;
  write_bytes(images.file("train/ant/.hidden.png"), "x");
  write_bytes(images.file("train/ant/notes.txt"), "x");
  write_bytes(images.file("train/ant/Z.JPeG"), encode_jpeg(picture(8, 8, 3)));
  std::filesystem::create_directory(images.file("train/ant/folder.png"));
  const Dataset data = images.load();
  EXPECT_EQ(data.classes,
            (std::vector<std::string>{"Bee", "ant", "cow"}));  // bytes: capitals first
  EXPECT_EQ(data.train.shape, (Shape{13, 8, 8, 3}));
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 0, 1, 1, 2, 2}));
  for (int i = 0; i < 13; ++i) EXPECT_EQ(data.train.samples[i], i);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(data.test.samples[i], 13 + i);
  EXPECT_EQ(data.train.pixels[0], 40);       // Bee/0: after four images of "ant"
  EXPECT_EQ(data.train.pixels[4 * 192], 0);  // ant/0
  EXPECT_EQ(data.test.pixels[0], 140);       // test/Bee/0
  const DatasetInfo info = inspect_dataset(folder_config(), {.data_dir = images.folder().path()});
  EXPECT_EQ(info.classes, data.classes);
  EXPECT_EQ(info.image, data.image);
}

TEST(ImageFolder, SameForAnyNumberOfThreads) {
  Images images;
  const Dataset one = images.load(folder_config(), false, 1);
  std::filesystem::remove_all(images.folder().path() / ".engine-cache");
  EXPECT_TRUE(same(one, images.load(folder_config(), false, 4)));
}

TEST(ImageFolder, LimitsAreSpreadOverClasses) {
  Images images;
  DataConfig config = folder_config();
  config.limit = 6;
  config.test_limit = 3;
  const Dataset data = images.load(config);
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(data.test.samples, (std::vector<int32_t>{6, 7, 8}));
}

TEST(ImageFolder, OneChannel) {
  Images images;
  DataConfig config = folder_config();
  config.channels = 1;
  EXPECT_EQ(images.load(config).train.pixels.size(), 12u * 64);
  config.channels = 2;
  EXPECT_THROW(images.load(config), Error);
}

TEST(ImageFolder, RefusesWhatIsMissing) {
  Images images;
  const auto message = [&] { return data_error([&] { images.load(); }); };
  std::filesystem::create_directory(images.file("test/dog"));
  expect_contains(message(), "test/dog: there is no class of this name");
  std::filesystem::remove(images.file("test/dog"));
  std::filesystem::create_directory(images.file("train/dog"));
  expect_contains(message(), "train/dog: has no .jpg");
  std::filesystem::remove(images.file("train/dog"));
  std::filesystem::remove_all(images.file("test"));
  expect_contains(message(), "images/test: cannot open the folder");
  std::filesystem::remove_all(images.file("train"));
  std::filesystem::create_directory(images.file("train"));
  expect_contains(message(), "images/train: has no folders");
  std::filesystem::remove_all(images.file(""));
  expect_contains(message(), "no such folder");
}

TEST(ImageFolder, PathMayNotLeaveTheDataFolder) {
  Images images;
  DataConfig config = folder_config();
  for (const std::string& path :
       {std::string("/etc"), std::string(".."), std::string("images/../.."),
        std::string("../images"), std::string("a\0b", 3)}) {
    config.path = path;
    try {
      images.load(config);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::experiment);
      expect_contains(error.what(), "data.path");
    }
  }
  config.path = "./images";
  EXPECT_EQ(images.load(config).train.shape.n, 12);
}

TEST(ImageFolder, UnreadableImagesAreErrorsOrListed) {
  Images images;
  const std::string truncated = images.file("train/ant/1.png"),
                    text = images.file("train/cow/3.png"), jpeg = images.file("test/Bee/2.jpg");
  write_bytes(truncated, plain_png(5).substr(0, 60));
  write_bytes(text, "not an image");
  const std::string whole = encode_jpeg(picture(30, 30, 3));
  write_bytes(jpeg, whole.substr(0, whole.size() / 2));
  const std::string message = data_error([&] { images.load(folder_config(), false, 1); });
  expect_contains(message, truncated + ": at offset ");
  expect_contains(message, "--skip-bad");
  const Dataset data = images.load(folder_config(), true);
  ASSERT_EQ(data.skipped.size(), 3u);
  expect_contains(data.skipped[0], truncated);
  expect_contains(data.skipped[1], text);
  expect_contains(data.skipped[2], jpeg);
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(data.train.pixels[5 * 192], 20);  // ant/2 comes after ant/0
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(data.test.samples[0], 10);
  // From the cache: the same list; and still an error for who did not ask to skip.
  ASSERT_EQ(images.caches().size(), 1u);
  EXPECT_TRUE(same(data, images.load(folder_config(), true)));
  EXPECT_THROW(images.load(), Error);
}

TEST(ImageCache, ServesTheSecondTime) {
  Images images;
  const Dataset first = images.load();
  ASSERT_EQ(images.caches().size(), 1u);
  // Whether the cache is really used: make its images unreadable, keeping size and time.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(images.file(""))) {
    if (!entry.is_regular_file()) continue;
    const auto time = entry.last_write_time();
    write_bytes(entry.path(), std::string(entry.file_size(), 'x'));
    std::filesystem::last_write_time(entry.path(), time);
  }
  EXPECT_TRUE(same(first, images.load()));
}

TEST(ImageCache, ChangedFilesAndSettingsMissIt) {
  Images images;
  images.load();
  write_bytes(images.file("train/ant/0.png"), plain_png(201));
  EXPECT_EQ(images.load().train.pixels[4 * 192], 201);
  EXPECT_EQ(images.caches().size(), 1u);  // the new one replaces the old
  std::filesystem::remove(images.file("train/ant/0.png"));
  EXPECT_EQ(images.load().train.shape.n, 11);
  EXPECT_EQ(images.caches().size(), 1u);
  std::filesystem::rename(images.file("train/ant/3.png"), images.file("train/cow/7.png"));
  EXPECT_EQ(images.load().train.labels.back(), 2);
  EXPECT_EQ(images.load(folder_config(6)).train.pixels.size(), 11u * 108);
  EXPECT_EQ(images.caches().size(), 2u);  // another size is another cache
}

TEST(ImageCache, DamagedCacheIsBuiltAnew) {
  Images images;
  const Dataset expected = images.load();
  ASSERT_EQ(images.caches().size(), 1u);
  const std::string path = images.caches()[0];
  const std::string whole = read_text(path);
  const size_t step = whole.size() / 60;
  for (size_t i = 0; i < whole.size(); i += i < 200 ? 3 : step) {
    std::string bytes = whole;
    bytes[i] ^= static_cast<char>(1 << i % 8);
    write_bytes(path, bytes);
    ASSERT_TRUE(same(expected, images.load())) << i;
    ASSERT_EQ(read_text(path), whole) << i;
  }
  for (size_t length = 0; length < whole.size(); length += 1 + length / 4) {
    write_bytes(path, whole.substr(0, length));
    ASSERT_TRUE(same(expected, images.load())) << length;
    ASSERT_EQ(read_text(path), whole);
  }
  write_bytes(path, whole + "x");
  EXPECT_TRUE(same(expected, images.load()));
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_TRUE(same(expected, images.load()));
}

TEST(ImageCache, NoPermissionMeansNoCache) {
  Images images;
  // A file in the place of the folder: nobody can write there, whoever runs this.
  write_bytes(images.folder() / ".engine-cache", "");
  const Dataset first = images.load();
  EXPECT_TRUE(same(first, images.load()));
  EXPECT_TRUE(images.caches().empty());
}

TEST(MakeFolder, WhatIsWrittenReadsBack) {
  DataConfig config;
  config.source = DataConfig::Source::shapes;
  config.size = Pair(16, 1);
  config.count = 50;
  const Dataset shapes = load_dataset(config, {}, 4);
  TemporaryFolder folder;
  make_image_folder(folder / "images", shapes, 2);
  const Dataset read = load_dataset(folder_config(16), {.data_dir = folder.path()}, 1);
  EXPECT_EQ(read.classes, shapes.classes);
  ASSERT_EQ(read.train.shape, shapes.train.shape);
  ASSERT_EQ(read.test.shape, shapes.test.shape);
  // In another order: by class.
  const auto contents = [](const ImageSet& set) {
    std::multiset<std::pair<int32_t, std::string>> all;
    const int64_t bytes = set.shape.per_sample();
    for (int64_t i = 0; i < set.shape.n; ++i) {
      all.emplace(set.labels[i],
                  std::string(reinterpret_cast<const char*>(&set.pixels[i * bytes]), bytes));
    }
    return all;
  };
  EXPECT_EQ(contents(read.train), contents(shapes.train));
  EXPECT_EQ(contents(read.test), contents(shapes.test));
  EXPECT_THROW(make_image_folder(folder / "images", shapes, 2), Error);
}

}  // namespace
}  // namespace engine::test
