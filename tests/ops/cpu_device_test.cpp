#include <gtest/gtest.h>
#include <sched.h>

#include <cstdint>
#include <thread>

#include "engine/core/error.h"
#include "engine/cpu/cpu_device.h"

namespace engine::test {
namespace {

TEST(cpu_device, memory_is_aligned_and_of_one_owner) {
  const std::unique_ptr<Device> device = make_cpu_device();
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{64}, size_t{4097}, size_t{5} << 20}) {
    Buffer buffer(*device, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    device->zero(buffer.data(), bytes);
    static_cast<char*>(buffer.data())[bytes - 1] = 1;
    Buffer other = std::move(buffer);
    EXPECT_FALSE(buffer);  // NOLINT(bugprone-use-after-move): that is what is tested
    EXPECT_TRUE(other);
  }
  EXPECT_FALSE(Buffer(*device, 0));
}

TEST(cpu_device, too_much_memory_is_an_error_with_numbers) {
  const std::unique_ptr<Device> device = make_cpu_device();
  for (const size_t bytes : {SIZE_MAX, SIZE_MAX / 2, size_t{1} << 45}) {
    try {
      device->allocate(bytes);
      ADD_FAILURE() << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::out_of_memory);
      EXPECT_NE(std::string(error.what()).find("MB"), std::string::npos);
    }
  }
}

TEST(cpu_device, counts_the_cores_it_may_use) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), CPU_COUNT(&all));
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  std::thread([&] {
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(usable_cores(), 1);
  }).join();
}

TEST(cpu_device, sets_threads) {
  set_threads(2);
  EXPECT_EQ(threads(), 2);
  set_threads(0);
  EXPECT_EQ(threads(), usable_cores());
}

TEST(cpu_device, describes_itself) {
  const std::unique_ptr<Device> device = make_cpu_device();
  EXPECT_EQ(device->kind(), "cpu");
  EXPECT_NE(device->description().find("thread"), std::string::npos);
  EXPECT_GT(available_memory(), 0u);
}

}  // namespace
}  // namespace engine::test
