// What the sanitizers say about kernels with a mistake, and where they say that it is.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/emulation/broken_kernels.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

/// The line of broken_kernels.cu that has this text, as reports write it.
std::string place_of(const std::string& text) {
  std::ifstream file(source_dir() / "tests/emulation/broken_kernels.cu");
  int number = 1;
  for (std::string line; std::getline(file, line); ++number) {
    if (line.find(text) != std::string::npos) {
      return "broken_kernels\\.cu:" + std::to_string(number) + "\\b";
    }
  }
  ADD_FAILURE() << text;
  return "";
}

void run_broken(const std::string& kernel) {
  CudaDevice device(0);
  const GuardedTensor in(device, Shape{1, 1, 1, 64}), out(device, Shape{1, 1, 1, 64});
  run_kernel(device, kernel, in.data(), out.data());
}

TEST(SanitizedDeathTest, NamesTheStoreOutOfBounds) {
  const std::string place = place_of("out[kThreads] = 1");
  EXPECT_DEATH(run_broken("out of bounds"),
               "AddressSanitizer: use-after-poison.*\n.*WRITE of size 4(.*\n)*.*#0 .*" + place);
}

TEST(SanitizedDeathTest, NamesTheStoreBehindMemory) {
  const auto run = [] {
    CudaDevice device(0);
    const Buffer in(device, 64 * sizeof(float)), out(device, 64 * sizeof(float));
    run_kernel(device, "out of bounds", in.f32(), out.f32());
  };
  const std::string place = place_of("out[kThreads] = 1");
  EXPECT_DEATH(run(), "heap-buffer-overflow.*\n.*WRITE of size 4(.*\n)*.*#0 .*" + place);
}

TEST(SanitizedDeathTest, NamesTheStoreBehindSharedMemory) {
  const std::string place = place_of("*to = 1");
  EXPECT_DEATH(run_broken("out of shared"),
               "global-buffer-overflow.*\n.*WRITE of size 4(.*\n)*.*#0 .*" + place);
}

TEST(SanitizedDeathTest, NamesTheIndexOutOfSharedMemory) {
  const std::string place = place_of("tile[threadIdx.x + 1];");
  EXPECT_DEATH(run_broken("out of array"), place + ".*index 64 out of bounds");
}

TEST(SanitizedDeathTest, NamesTheMisalignedAccess) {
  const std::string place = place_of("(in + 1)");
  EXPECT_DEATH(run_broken("misaligned"), place + ".*misaligned address");
}

TEST(SanitizedDeathTest, NamesTheOverflow) {
  const std::string place = place_of("far + far");
  EXPECT_DEATH(run_broken("overflow"), place + ".*signed integer overflow");
}

}  // namespace
}  // namespace engine::test
