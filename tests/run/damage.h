#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "engine/core/error.h"
#include "engine/core/file.h"

namespace engine::test {

/// Flips every bit of a file in turn, then cuts it at every byte; read must throw Error each time.
/// The file is whole again afterwards. Returns the damages tried.
inline size_t damage_everywhere(const std::string& path, const std::function<void()>& read) {
  const std::string good = read_text(path);
  const int fd = ::open(path.c_str(), O_RDWR);
  EXPECT_GE(fd, 0);
  size_t tried = 0;
  const auto expect_refused = [&](size_t byte, int bit) {
    ++tried;
    try {
      read();
      ADD_FAILURE() << path << ": byte " << byte << (bit < 0 ? " cut" : " bit ") << bit;
    } catch (const Error&) {
    }
  };
  for (size_t byte = 0; byte < good.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      const char bad = static_cast<char>(good[byte] ^ (1 << bit));
      EXPECT_EQ(pwrite(fd, &bad, 1, static_cast<off_t>(byte)), 1);
      expect_refused(byte, bit);
    }
    EXPECT_EQ(pwrite(fd, &good[byte], 1, static_cast<off_t>(byte)), 1);
  }
  for (size_t length = good.size(); length-- > 0;) {
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(length)), 0);
    expect_refused(length, -1);
  }
  EXPECT_EQ(pwrite(fd, good.data(), good.size(), 0), static_cast<ssize_t>(good.size()));
  close(fd);
  EXPECT_NO_THROW(read()) << "the whole file";
  return tried;
}

}  // namespace engine::test
