// Copies between host and device through page-locked memory. The emulated GPU does them as late as
// it may: a wait that is missing shows as other bytes.

#include "engine/cuda/staging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/core/error.h"
#include "engine/cuda/cuda_device.h"
#include "tests/emulation/emulator.h"

namespace engine::test {
namespace {

constexpr size_t kChunk = Staging::kChunkBytes;
constexpr size_t kSizes[] = {0, 1, kChunk - 1, kChunk, kChunk + 1, 2 * kChunk, 3 * kChunk + 7};

/// Bytes that differ from chunk to chunk.
std::vector<uint8_t> bytes_of(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + (i >> 8) + (i >> 22));
  return bytes;
}

TEST(Staging, CopiesEveryByteAndNoOther) {
  constexpr size_t kAround = 64;
  CudaDevice device(0);
  for (const size_t size : kSizes) {
    std::vector<uint8_t> expected = bytes_of(size);
    std::vector<uint8_t> host = expected;
    const Buffer memory(device, size + 2 * kAround);
    device.zero(memory.data(), memory.bytes());
    auto* const inside = static_cast<uint8_t*>(memory.data()) + kAround;
    device.copy_to_device(inside, host.data(), size);
    std::fill(host.begin(), host.end(), uint8_t{0});  // the caller's again
    std::vector<uint8_t> back(size + 2 * kAround, 7);
    device.copy_to_host(back.data() + kAround, inside, size);
    expected.insert(expected.begin(), kAround, 7);
    expected.insert(expected.end(), kAround, 7);
    EXPECT_TRUE(back == expected) << size;
    device.copy_to_host(back.data(), memory.data(), back.size());
    std::fill_n(expected.begin(), kAround, uint8_t{0});
    std::fill_n(expected.end() - kAround, kAround, uint8_t{0});
    EXPECT_TRUE(back == expected) << size;
  }
}

TEST(Staging, WaitsForAChunkOnlyWhenItIsNeededAgain) {
  CudaDevice device(0);
  const Buffer memory(device, 4 * kChunk);
  std::vector<uint8_t> host(4 * kChunk);
  const auto calls = [&](size_t size, bool back) {
    emulated::fail_call(0, cudaSuccess);
    back ? device.copy_to_host(host.data(), memory.data(), size)
         : device.copy_to_device(memory.data(), host.data(), size);
    return emulated::calls();
  };
  EXPECT_EQ(calls(0, false), 0u);
  EXPECT_EQ(emulated::page_locked(), 0u);
  EXPECT_EQ(calls(1, false), 4u + 2u);  // two chunks and their events; a copy, and the wait for it
  EXPECT_EQ(emulated::page_locked(), 2 * kChunk);
  EXPECT_EQ(calls(1, true), 2u);
  EXPECT_EQ(calls(2 * kChunk, false), 2u + 1u);
  EXPECT_EQ(calls(4 * kChunk, false), 4u + 1u + 2u + 2u);  // and an event, and the wait for it
  EXPECT_EQ(calls(4 * kChunk, true), 4u + 1u + 3u + 3u);
  EXPECT_EQ(emulated::page_locked(), 2 * kChunk);
}

TEST(Staging, SaysWhatFailedAndGivesTheMemoryBack) {
  for (const cudaError_t error : {cudaErrorMemoryAllocation, cudaErrorIllegalAddress}) {
    for (uint64_t call = 1; call <= 4; ++call) {
      CudaDevice device(0);
      const Buffer memory(device, 8);
      const uint64_t value = 1;
      emulated::fail_call(call, error);
      try {
        device.copy_to_device(memory.data(), &value, sizeof(value));
        ADD_FAILURE() << call;
      } catch (const Error& caught) {
        const bool out = error == cudaErrorMemoryAllocation;
        EXPECT_EQ(caught.code(), out ? ExitCode::out_of_memory : ExitCode::device);
        if (out && call % 2) {
          EXPECT_STREQ(caught.what(),
                       "out of page-locked memory: 4.2 MB of the host's were asked for");
        }
      }
      EXPECT_EQ(emulated::page_locked(), 0u) << call;
      emulated::fail_call(0, cudaSuccess);
      uint64_t found = 0;
      device.copy_to_device(memory.data(), &value, sizeof(value));  // made anew
      device.copy_to_host(&found, memory.data(), sizeof(found));
      EXPECT_EQ(found, value);
    }
  }
  EXPECT_EQ(emulated::page_locked(), 0u);
}

}  // namespace
}  // namespace engine::test
