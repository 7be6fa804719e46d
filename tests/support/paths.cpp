#include "tests/support/paths.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace engine::test {

std::filesystem::path source_dir() {
  const char* named = std::getenv("ENGINE_SOURCE_DIR");
  return named ? named : SOURCE_DIR;
}

std::optional<std::filesystem::path> shared_dir() {
  const char* named = std::getenv("ENGINE_SHARED");
  const std::filesystem::path path = named ? named : source_dir().parent_path() / "shared";
  if (std::filesystem::exists(path / "reference")) return path;
  return std::nullopt;
}

std::string engine_binary() {
  const char* named = std::getenv("ENGINE_BINARY");
  return named ? named : ENGINE_BINARY;
}

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> count{0};
  path_ = std::filesystem::temp_directory_path() /
          ("engine-test-" + std::to_string(getpid()) + "-" + std::to_string(count++));
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

FastFolder::FastFolder() {
  const bool in_memory = access("/dev/shm", W_OK) == 0;
  const std::filesystem::path place =
      in_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
  path_ = (place / "engine-test-XXXXXX").string();
  if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp");
}

FastFolder::~FastFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace engine::test
