// CIFAR-10's binary files and their archive, and everything that may be wrong with them.

#include "tests/data/cifar10_support.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

const Cifar10 kSmall{.records = kRecords};

std::string load_error(const TemporaryFolder& folder) {
  return data_error([&] { load_cifar10(folder.path(), 1, kSmall); });
}

void expect_right(const Dataset& data) {
  EXPECT_EQ(data.train.shape, (Shape{100, 32, 32, 3}));
  EXPECT_EQ(data.test.shape, (Shape{20, 32, 32, 3}));
  EXPECT_EQ(data.classes.size(), 10u);
  EXPECT_EQ(data.classes[9], "truck");
  for (int64_t image = 0; image < 120; ++image) {
    const ImageSet& set = image < 100 ? data.train : data.test;
    const int64_t i = image < 100 ? image : image - 100;
    const int file = static_cast<int>(image / kRecords);
    ASSERT_EQ(set.labels[i], label_of(file, image % kRecords));
    ASSERT_EQ(set.samples[i], image);
    for (int64_t p = 0; p < 3072; ++p) {
      ASSERT_EQ(set.pixels[i * 3072 + p],
                pixel_of(file, image % kRecords, p / 96, p / 3 % 32, p % 3));
    }
  }
}

TEST(Cifar10, ReadsFolder) {
  TemporaryFolder folder;
  write_cifar10_folder(folder.path());
  for (const int threads : {1, 3}) expect_right(load_cifar10(folder.path(), threads, kSmall));
}

TEST(Cifar10, ReadsArchiveAndWritesNothing) {
  TemporaryFolder folder;
  write_bytes(folder / Cifar10::kArchive, gzip(good_tar()));
  expect_right(load_cifar10(folder.path(), 2, kSmall));
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    EXPECT_EQ(entry.path().filename(), Cifar10::kArchive);
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST(Cifar10, SaysWhereItLookedAndHowToGetTheData) {
  TemporaryFolder folder;
  const std::string message = load_error(folder);
  expect_contains(message, "cifar-10-batches-bin");
  expect_contains(message, "cifar-10-binary.tar.gz");
  expect_contains(message, "engine data fetch");
}

TEST(Cifar10, RefusesTruncatedFiles) {
  TemporaryFolder folder;
  write_cifar10_folder(folder.path());
  const std::string path = folder / "cifar-10-batches-bin/data_batch_3.bin";
  const std::string whole = batch_file(2);
  for (size_t i = 0; i < 100; ++i) {
    const size_t length = i < 60 ? i * 1021 : whole.size() - 1 - (i - 60) * 3;
    write_bytes(path, std::string_view(whole).substr(0, length));
    const std::string message = load_error(folder);
    expect_contains(message, path);
    expect_contains(message, fmt::format("ends at offset {}", length));
  }
  write_bytes(path, whole + "x");
  expect_contains(load_error(folder), "is 61461 bytes long, expected 61460");
  std::filesystem::remove(path);
  expect_contains(load_error(folder), path);
  std::filesystem::create_directory(path);
  expect_contains(load_error(folder), "a folder");
}

TEST(Cifar10, RefusesLabelsOver9) {
  TemporaryFolder folder;
  write_cifar10_folder(folder.path());
  const std::string path = folder / "cifar-10-batches-bin/test_batch.bin";
  for (const int label : {10, 11, 128, 255}) {
    std::string bytes = batch_file(5);
    bytes[7 * kRecordBytes] = static_cast<char>(label);
    write_bytes(path, bytes);
    expect_contains(load_error(folder),
                    fmt::format("{}: at offset {}: label {}", path, 7 * kRecordBytes, label));
  }
}

TEST(Cifar10, RefusesFilesThatChangedPlaces) {
  TemporaryFolder folder;
  write_cifar10_folder(folder.path());
  write_bytes(folder / "cifar-10-batches-bin/test_batch.bin", batch_file(2));
  write_bytes(folder / "cifar-10-batches-bin/data_batch_3.bin", batch_file(5));
  expect_contains(load_error(folder), "changed places");
}

TEST(Cifar10, RefusesOtherClassNames) {
  TemporaryFolder folder;
  write_cifar10_folder(folder.path());
  std::string names = class_names();
  names.replace(names.find("cat"), 3, "cow");
  write_bytes(folder / "cifar-10-batches-bin/batches.meta.txt", names);
  const std::string message = load_error(folder);
  expect_contains(message, "batches.meta.txt: at offset 25");
  expect_contains(message, "expected the class name \"cat\", got \"cow\"");
}

TEST(Cifar10, FlippedBytesAreSeenWhereTheFormatShowsThem) {
  // The binary files have no checksums of their own: a pixel may change unseen, a label may not
  // unless it becomes another valid one, and then the class counts are wrong.
  TemporaryFolder folder;
  write_cifar10_folder(folder.path());
  const std::string path = folder / "cifar-10-batches-bin/data_batch_2.bin";
  for (int64_t record = 0; record < kRecords; ++record) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = batch_file(1);
      bytes[record * kRecordBytes] ^= static_cast<char>(1 << bit);
      write_bytes(path, bytes);
      EXPECT_FALSE(load_error(folder).empty());
    }
  }
}

TEST(Cifar10Archive, RefusesTruncationAndDamage) {
  TemporaryFolder folder;
  const std::string whole = gzip(good_tar());
  for (size_t i = 0; i < 60; ++i) {
    const size_t length = i < 20 ? i : whole.size() * i / 60;
    write_bytes(folder / Cifar10::kArchive, std::string_view(whole).substr(0, length));
    expect_contains(load_error(folder), Cifar10::kArchive);
  }
  // gzip carries a CRC: any flipped bit after its header is found at the latest at the end.
  for (size_t i = 0; i < 60; ++i) {
    std::string bytes = whole;
    bytes[10 + (bytes.size() - 11) * i / 60] ^= static_cast<char>(1 << i % 8);
    write_bytes(folder / Cifar10::kArchive, bytes);
    expect_contains(load_error(folder), Cifar10::kArchive);
  }
  write_bytes(folder / Cifar10::kArchive, good_tar());
  expect_contains(load_error(folder), "not a gzip archive");
  write_bytes(folder / Cifar10::kArchive, gzip(good_tar().substr(0, 200000)));
  expect_contains(load_error(folder), "ends too early");
}

struct Hostile {
  std::string name, tar, message;
};

std::vector<Hostile> hostile_archives() {
  const std::string folder = std::string(Cifar10::kFolder) + "/";
  const std::string one = batch_file(0);
  std::vector<Hostile> all;
  for (const char* name :
       {"/etc/passwd", "../evil", "cifar-10-batches-bin/../../evil", "a/..", "..", ""}) {
    all.push_back(
        {fmt::format("name \"{}\"", name), tar_member(name, "x"), "leads out of the archive"});
  }
  for (const char type : std::string("123467gxLKSVDMNAX")) {
    all.push_back({fmt::format("type {}", type),
                   tar_header(folder + "data_batch_1.bin", 0, type, "/etc/passwd"),
                   "not a plain file"});
  }
  all.push_back({"folder with content", tar_header(folder, 512, '5') + std::string(512, 'x'),
                 "not a plain file"});
  all.push_back({"8 GB", tar_header(folder + "data_batch_1.bin", (uint64_t{1} << 33) - 1),
                 "impossible size"});
  std::string base256 = tar_header(folder + "data_batch_1.bin", 0);
  base256[124] = static_cast<char>(0x80);
  all.push_back({"binary size, checksum not updated", base256, "damaged archive header"});
  std::string text_size = tar_header(folder + "data_batch_1.bin", 0);
  text_size.replace(124, 11, "hello world");
  unsigned sum = 0;
  text_size.replace(148, 8, "        ");
  for (const char c : text_size) sum += static_cast<unsigned char>(c);
  text_size.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  all.push_back({"size is no number", text_size, "impossible size"});
  all.push_back(
      {"wrong size", tar_member(folder + "data_batch_1.bin", one.substr(1)), "bytes long"});
  all.push_back({"too long", tar_member(folder + "data_batch_1.bin", one + "x"), "bytes long"});
  all.push_back(
      {"twice",
       tar_member(folder + "data_batch_1.bin", one) + tar_member(folder + "data_batch_1.bin", one),
       "twice"});
  all.push_back({"other folder", tar_member("cifar/data_batch_1.bin", one), "has no member"});
  all.push_back(
      {"prefix only", tar_member("x" + folder + "data_batch_1.bin", one), "has no member"});
  std::string many;
  for (int i = 0; i < 70; ++i) many += tar_member(fmt::format("file{}", i), "");
  all.push_back({"many members", many, "more than 64 members"});
  all.push_back({"empty", "", "has no member"});
  all.push_back({"half a header", std::string(300, 'a'), "ends too early"});
  all.push_back({"garbage", std::string(2048, 'a'), "damaged archive header"});
  return all;
}

TEST(Cifar10Archive, RefusesHostileArchives) {
  for (const Hostile& hostile : hostile_archives()) {
    SCOPED_TRACE(hostile.name);
    TemporaryFolder folder;
    write_bytes(folder / Cifar10::kArchive,
                gzip(hostile.tar.empty() || hostile.tar.size() % 512 ? hostile.tar
                                                                     : hostile.tar + tar_end()));
    expect_contains(load_error(folder), hostile.message);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
      EXPECT_EQ(entry.path().filename(), Cifar10::kArchive);
    }
  }
}

TEST(Cifar10Archive, RefusesDataAfterTheEnd) {
  TemporaryFolder folder;
  write_bytes(folder / Cifar10::kArchive, gzip(good_tar() + std::string(512, 'x')));
  expect_contains(load_error(folder), "after the archive's end");
}

TEST(Cifar10Archive, RefusesGzipBombs) {
  TemporaryFolder folder;
  // 300 MB of zeros in a member that says so, and as padding after the end mark.
  const std::string packed = gzip(std::string(100 << 20, 0));
  const std::string member = tar_header("zeros", 200 << 20);
  write_bytes(folder / Cifar10::kArchive, gzip(member) + packed + packed + packed);
  const std::string message = load_error(folder);
  expect_contains(message, "unpacks to more than");
}

}  // namespace
}  // namespace engine::test
