#pragma once

// What file.cpp and save_file.cpp share. Private to them.

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/core/error.h"

namespace engine {

[[noreturn]] inline void storage_error(std::string_view what, const std::string& path) {
  const int cause = errno;
  fail(ExitCode::storage, "{}: cannot {}: {}", path, what, std::strerror(cause));
}

/// Repeats a call while a signal interrupts it.
template <class Call>
auto retry(const Call& call) {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}

inline std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace engine
