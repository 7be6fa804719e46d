#include "engine/core/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/error.h"
#include "tests/run/damage.h"
#include "tests/run/outside.h"
#include "tests/support/paths.h"

namespace engine {
namespace {

using test::TemporaryFolder;

template <class T>
NamedTensor tensor(std::string name, DType dtype, std::vector<int64_t> dims,
                   std::vector<T> values) {
  NamedTensor result{std::move(name), dtype, std::move(dims), {}};
  const auto bytes = std::as_bytes(std::span(values));
  result.bytes.assign(bytes.begin(), bytes.end());
  return result;
}

std::vector<NamedTensor> samples() {
  return {tensor<float>("stem.weight", DType::f32, {2, 1, 2, 1}, {1.5f, -2, 3e-40f, 1e30f}),
          tensor<float>("stem.bias", DType::f32, {2}, {0, -0.0f}),
          tensor<uint8_t>("pixels", DType::u8, {3}, {0, 127, 255}),
          tensor<int32_t>("labels", DType::i32, {2}, {-5, 7}),
          tensor<int64_t>("big", DType::i64, {1}, {INT64_MIN}),
          tensor<double>("losses \"\xC3\xA9\\\n", DType::f64, {1, 2}, {0.1, 1e-300}),
          tensor<float>("empty", DType::f32, {0, 4}, {}),
          tensor<float>("scalar", DType::f32, {}, {42})};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string file_of(const std::string& json, const std::string& data) {
  const uint64_t length = json.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + json + data;
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  write_safetensors(real_files(), path, samples(), {{"key", "a \"value\"\n\x01 \xE2\x82\xAC"}});
  Metadata metadata;
  const auto read = read_safetensors(path, &metadata, true);
  ASSERT_EQ(read.size(), samples().size());
  for (const NamedTensor& expected : samples()) {
    const auto found = std::find_if(read.begin(), read.end(),
                                    [&](const NamedTensor& t) { return t.name == expected.name; });
    ASSERT_NE(found, read.end()) << expected.name;
    EXPECT_EQ(found->dtype, expected.dtype);
    EXPECT_EQ(found->dims, expected.dims);
    EXPECT_EQ(found->bytes, expected.bytes);
  }
  ASSERT_NE(find(metadata, "key"), nullptr);
  EXPECT_EQ(*find(metadata, "key"), "a \"value\"\n\x01 \xE2\x82\xAC");
}

TEST(Safetensors, SameContentSameBytesWhateverTheOrder) {
  const TemporaryFolder folder;
  auto tensors = samples();
  write_safetensors(real_files(), folder / "a", tensors, {{"k", "v"}});
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(real_files(), folder / "b", tensors, {{"k", "v"}});
  EXPECT_EQ(read_text(folder / "a"), read_text(folder / "b"));
}

TEST(Safetensors, AnIndependentReaderAgrees) {
  if (!test::have_python()) GTEST_SKIP() << "no python3";
  const TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  write_safetensors(real_files(), path, samples(), {{"key", "value"}});
  const auto script = (test::source_dir() / "tests/run/read_safetensors.py").string();
  const auto text = test::output_of("python3 " + test::quoted(script) + " " + test::quoted(path));
  ASSERT_TRUE(text) << "the reader refused the file";
  const auto json = nlohmann::json::parse(*text);
  EXPECT_EQ(json["metadata"]["key"], "value");
  EXPECT_EQ(json["tensors"].size(), samples().size());
  EXPECT_EQ(json["tensors"]["stem.weight"]["shape"], (std::vector<int>{2, 1, 2, 1}));
  EXPECT_EQ(json["tensors"]["stem.weight"]["values"][3].get<double>(), double{1e30f});
  EXPECT_EQ(json["tensors"]["big"]["values"][0].get<int64_t>(), INT64_MIN);
  EXPECT_EQ(json["tensors"]["pixels"]["values"][2], 255);
  EXPECT_EQ(json["tensors"]["losses \"\xC3\xA9\\\n"]["values"][1].get<double>(), 1e-300);
}

TEST(Safetensors, ReadsFilesOfTheReferenceImplementation) {
  const auto shared = test::shared_dir();
  if (!shared) GTEST_SKIP() << "the folder of reference values is missing";
  const auto tensors =
      read_safetensors((*shared / "reference/network_weights.safetensors").string());
  int64_t elements = 0;
  for (const NamedTensor& t : tensors) elements += t.elements();
  EXPECT_EQ(elements, 1245738);
  EXPECT_THROW(
      read_safetensors((*shared / "reference/network_weights.safetensors").string(), nullptr, true),
      Error)
      << "it has no checksum of ours";
}

struct Hostile {
  const char* what;
  std::string bytes;
  const char* message;  ///< must be in the error
};

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}

std::vector<Hostile> hostile_files() {
  const std::string eight(8, 'x');
  const auto one = [&](const std::string& text) { return file_of("{" + text + "}", eight); };
  std::vector<Hostile> cases{
      {"empty", "", "only 0 bytes"},
      {"short", "1234567", "only 7 bytes"},
      {"header longer than the file", std::string("\xFF\0\0\0\0\0\0\0{}", 10), "offset 0"},
      {"header of 2^63", std::string("\0\0\0\0\0\0\0\x80{}", 10), "offset 0"},
      {"header of 2^64-1", std::string(8, '\xFF') + "{}", "offset 0"},
      {"no object", file_of("[]", ""), "offset 8"},
      {"cut off", file_of("{\"a\"", ""), "offset 12"},
      {"trailing text", file_of("{} x", ""), "offset 11"},
      {"trailing bytes", file_of("{}", eight), "8 bytes later"},
      {"overlap",
       file_of(
           "{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[1]", "[4,8]") + "}",
           eight),
       "\"b\" overlaps a"},
      {"same place",
       file_of(
           "{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[2]", "[0,8]") + "}",
           eight),
       "overlaps"},
      {"hole",
       file_of(
           "{" + entry("a", "F32", "[1]", "[0,4]") + "," + entry("b", "F32", "[0]", "[8,8]") + "}",
           eight),
       "leaves a hole"},
      {"hole at the start", one(entry("a", "F32", "[1]", "[4,8]")),
       "leaves a hole after the start"},
      {"data missing", one(entry("a", "F32", "[4]", "[0,16]")), "cut off"},
      {"far offsets", one(entry("a", "U8", "[2]", "[9223372036854775800,9223372036854775802]")),
       "hole"},
      {"duplicate name",
       one(entry("a", "F32", "[2]", "[0,8]") + "," + entry("a", "F32", "[0]", "[8,8]")),
       "duplicate name \"a\""},
      {"duplicate by escape",
       one(entry("a", "F32", "[2]", "[0,8]") + "," + entry("\\u0061", "F32", "[0]", "[8,8]")),
       "duplicate name \"a\""},
      {"duplicate key",
       one(R"("a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
       "duplicate key"},
      {"unknown key", one(R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})"),
       "unknown key \"x\""},
      {"missing key", one(R"("a":{"dtype":"F32","shape":[2]})"),
       "expected dtype, shape and data_offsets"},
      {"unknown dtype", one(entry("a", "F8_E4M3", "[8]", "[0,8]")), "dtype \"F8_E4M3\""},
      {"overflow", one(entry("a", "F32", "[4611686018427387904,4]", "[0,8]")), "overflows"},
      {"overflow to the right size", one(entry("a", "F32", "[2,9223372036854775807,2]", "[0,8]")),
       "overflows"},
      {"number over 2^63", one(entry("a", "F32", "[99999999999999999999]", "[0,8]")), "2^63"},
      {"negative", one(entry("a", "F32", "[-2]", "[0,8]")), "integer from 0"},
      {"fraction", one(entry("a", "F32", "[2.0]", "[0,8]")), "expected"},
      {"exponent", one(entry("a", "F32", "[2e0]", "[0,8]")), "expected"},
      {"leading zero", one(entry("a", "F32", "[02]", "[0,8]")), "integer from 0"},
      {"reversed offsets", one(entry("a", "F32", "[2]", "[8,0]")), "data_offsets"},
      {"wrong size", one(entry("a", "F32", "[3]", "[0,8]")), "do not hold"},
      {"three offsets", one(entry("a", "F32", "[2]", "[0,8,8]")), "expected dtype"},
      {"too many dimensions", one(entry("a", "U8", "[8,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,8]")),
       "dimensions"},
      {"not UTF-8", one(entry("\xFF", "F32", "[2]", "[0,8]")), "UTF-8"},
      {"overlong UTF-8", one(entry("\xC0\x80", "F32", "[2]", "[0,8]")), "UTF-8"},
      {"UTF-8 surrogate", one(entry("\xED\xA0\x80", "F32", "[2]", "[0,8]")), "UTF-8"},
      {"cut UTF-8", one(entry("\xE2\x82", "F32", "[2]", "[0,8]")), "UTF-8"},
      {"lone surrogate", one(entry("\\ud800x", "F32", "[2]", "[0,8]")), "surrogate"},
      {"bad escape", one(entry("\\x41", "F32", "[2]", "[0,8]")), "escape"},
      {"control character", one(entry(std::string("a\0b", 3), "F32", "[2]", "[0,8]")), "control"},
      {"metadata not text", file_of(R"({"__metadata__":{"a":1}})", ""), "a string"},
      {"metadata nested", file_of(R"({"__metadata__":{"a":{}}})", ""), "a string"},
      {"two metadata", file_of(R"({"__metadata__":{},"__metadata__":{}})", ""), "duplicate"},
      {"deep", file_of(std::string(100000, '['), ""), "offset 8"},
      {"deep objects", file_of("{\"a\":" + std::string(100000, '{'), ""), "a string"},
      {"wrong checksum",
       file_of(
           R"({"__metadata__":{"engine.checksum":"xxh3-128:00000000000000000000000000000000"}})",
           ""),
       "checksum"},
      {"marked but no checksum", file_of(R"({"__metadata__":{"engine.version":"1"}})", ""),
       "checksum is missing"},
  };
  return cases;
}

TEST(Safetensors, HostileFilesAreRefusedWithFileAndPlace) {
  const TemporaryFolder folder;
  const std::string path = folder / "hostile.safetensors";
  for (const Hostile& c : hostile_files()) {
    write_bytes(path, c.bytes);
    try {
      read_safetensors(path);
      ADD_FAILURE() << c.what << ": was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data) << c.what;
      EXPECT_TRUE(std::string(error.what()).starts_with(path + ": "))
          << c.what << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(c.message), std::string::npos)
          << c.what << ": " << error.what();
    }
  }
  EXPECT_THROW(read_safetensors(folder / "missing"), Error);
  EXPECT_THROW(read_safetensors(folder.path().string()), Error);
  EXPECT_THROW(read_safetensors("/dev/zero"), Error);
}

TEST(Safetensors, SharedEmptyPlacesAndSpacesAreFine) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  write_bytes(
      path,
      file_of("{ \"a\" : { \"shape\" : [ 2 ] , \"data_offsets\":[0, 8],\"dtype\":\"F32\"},\n" +
                  entry("e", "F32", "[0]", "[8,8]") + "," + entry("f", "U8", "[3,0]", "[8,8]") +
                  "}   ",
              std::string(8, 'x')));
  EXPECT_EQ(read_safetensors(path).size(), 3u);
}

/// Flips every bit and cuts at every byte.
TEST(Safetensors, EveryFlippedBitAndTruncationIsDetected) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  write_safetensors(real_files(), path, samples(), {{"format", "pt"}, {"engine.version", "0.1.0"}});
  // Without asking for a checksum: the file itself says that it has one.
  const size_t tried = test::damage_everywhere(path, [&] { read_safetensors(path); });
  EXPECT_EQ(tried, 9 * read_text(path).size());
  std::ofstream(path, std::ios::app) << '\0';
  EXPECT_THROW(read_safetensors(path), Error);
}

/// A header of 40 MB must not grow to a multiple of itself, and neither must 60 MB of data.
TEST(Safetensors, MemoryStaysNearTheFileSize) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory would be counted";
#endif
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  const auto peak_kb = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  {
    std::ofstream out(path, std::ios::binary);
    const std::string json = "{\"a\":" + std::string(40'000'000, '[');
    out << file_of(json, "");
  }
  const long before = peak_kb();
  EXPECT_THROW(read_safetensors(path), Error);
  EXPECT_LT(peak_kb() - before, 2 * 40'000);
  {
    std::ofstream out(path, std::ios::binary);
    out << file_of("{" + entry("a", "U8", "[60000000]", "[0,60000000]") + "}",
                   std::string(60'000'000, 'x'));
  }
  EXPECT_EQ(read_safetensors(path)[0].elements(), 60'000'000);
  // The test itself held the 60 MB twice while writing.
  EXPECT_LT(peak_kb() - before, 3 * 60'000);
}

}  // namespace
}  // namespace engine
