// Philox against published vectors and, where it is installed, against cuRAND itself.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/random.h"
#include "engine/cpu/philox.h"

namespace engine::test {
namespace {

void expect_words(Philox4 got, const std::vector<uint32_t>& wanted) {
  EXPECT_EQ(std::vector<uint32_t>(got.word, got.word + 4), wanted);
}

// Random123's known answers (kat_vectors, philox4x32 10).
TEST(random, philox_known_answers) {
  const uint32_t ones = 0xFFFFFFFF;
  expect_words(philox4x32(0, 0, 0, 0, 0, 0), {0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
  expect_words(philox4x32(ones, ones, ones, ones, ones, ones),
               {0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
  expect_words(philox4x32(0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0),
               {0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}

TEST(random, vector_code_draws_the_same_words) {
  for (const uint32_t place : {0u, 5u, 0xFFFFFFFCu}) {
    const RandomKey key{0x12345678, 0x9ABCDEF0};
    uint32_t words[kWordsAtOnce];
    draw_words(key, place, 77, 0x80000001, words);
    for (uint32_t p = 0; p < kWordsAtOnce / 4; ++p) {
      expect_words(key.draw(place + p, 77, 0x80000001), {words + 4 * p, words + 4 * p + 4});
    }
  }
}

TEST(random, streams_differ_by_purpose_and_name) {
  // FNV-1a of "a/b", worked out apart from this code.
  EXPECT_EQ(random_stream("a", "b"), 0x3A8E75C1u);
  EXPECT_NE(random_stream("noise", "x"), random_stream("dropout", "x"));
  EXPECT_NE(random_stream("dropout", "x"), random_stream("dropout", "y"));
}

TEST(random, uniforms_are_over_0_and_at_most_1) {
  EXPECT_GT(uniform_from_bits(0), 0.0f);
  EXPECT_LE(uniform_from_bits(0xFFFFFFFF), 1.0f);
  EXPECT_NEAR(uniform_from_bits(0x80000000), 0.5, 1e-7);
}

/// The few functions of cuRAND's host interface that are needed (curand.h's numbers).
struct Curand {
  using Generator = void*;
  static constexpr int kPhilox = 161;
  int (*create)(Generator*, int) = nullptr;
  int (*seed)(Generator, unsigned long long) = nullptr;
  int (*words)(Generator, unsigned*, size_t) = nullptr;
  int (*normals)(Generator, float*, size_t, float, float) = nullptr;
  int (*destroy)(Generator) = nullptr;
};

void* open_curand() {
  namespace fs = std::filesystem;
  std::vector<std::string> names{"libcurand.so", "libcurand.so.10"};
  if (const char* own = std::getenv("ENGINE_CURAND")) names.insert(names.begin(), own);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/local", ignored)) {
    if (entry.path().filename().string().rfind("cuda", 0) != 0) continue;
    for (const char* folder : {"lib64", "targets/x86_64-linux/lib"}) {
      names.push_back((entry.path() / folder / "libcurand.so").string());
      names.push_back((entry.path() / folder / "libcurand.so.10").string());
    }
  }
  for (const std::string& name : names) {
    if (void* library = dlopen(name.c_str(), RTLD_NOW)) return library;
  }
  return nullptr;
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  ASSERT_NE(function, nullptr) << name;
}

TEST(random, same_words_and_normals_as_curand) {
  void* library = open_curand();
  if (!library) GTEST_SKIP() << "libcurand is not installed (or name it in $ENGINE_CURAND)";
  Curand curand;
  find(library, "curandCreateGeneratorHost", curand.create);
  find(library, "curandSetPseudoRandomGeneratorSeed", curand.seed);
  find(library, "curandGenerate", curand.words);
  find(library, "curandGenerateNormal", curand.normals);
  find(library, "curandDestroyGenerator", curand.destroy);
  constexpr size_t kCount = 4 * 70000;
  constexpr unsigned long long kSeed = 0x0123456789ABCDEFull;
  std::vector<unsigned> words(kCount);
  std::vector<float> normals(kCount);
  Curand::Generator generator = nullptr;
  ASSERT_EQ(curand.create(&generator, Curand::kPhilox), 0);
  ASSERT_EQ(curand.seed(generator, kSeed), 0);
  ASSERT_EQ(curand.words(generator, words.data(), kCount), 0);
  ASSERT_EQ(curand.destroy(generator), 0);
  ASSERT_EQ(curand.create(&generator, Curand::kPhilox), 0);
  ASSERT_EQ(curand.seed(generator, kSeed), 0);
  ASSERT_EQ(curand.normals(generator, normals.data(), kCount, 0, 1), 0);
  ASSERT_EQ(curand.destroy(generator), 0);
  for (uint32_t block = 0; block < kCount / 4; ++block) {
    // Its default order: 65,536 subsequences side by side.
    const Philox4 own = philox4x32(block / 65536, 0, block % 65536, 0, static_cast<uint32_t>(kSeed),
                                   static_cast<uint32_t>(kSeed >> 32));
    for (size_t i = 0; i < 4; ++i) ASSERT_EQ(own.word[i], words[4 * block + i]) << block;
    float pair[4];
    normals_from_bits(own.word[0], own.word[1], pair[0], pair[1]);
    normals_from_bits(own.word[2], own.word[3], pair[2], pair[3]);
    for (size_t i = 0; i < 4; ++i) {
      // Logarithm and sine may differ in their last bits.
      ASSERT_NEAR(pair[i], normals[4 * block + i], 1e-5) << block;
    }
  }
}

}  // namespace
}  // namespace engine::test
