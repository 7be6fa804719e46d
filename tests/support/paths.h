#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace engine::test {

/// Where experiments/ and tests/ are: $ENGINE_SOURCE_DIR, else the source tree.
std::filesystem::path source_dir();
/// The folder with reference values and images that some machines have beside the project (or
/// $ENGINE_SHARED); tests that need it skip where it is missing.
std::optional<std::filesystem::path> shared_dir();
/// The program under test, for tests that run it as a process.
std::string engine_binary();

/// A folder that is gone when the object is.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// The same in memory where there is such a place: an fsync costs nothing there, and a killed
/// process leaves the same files behind.
class FastFolder {
 public:
  FastFolder();
  ~FastFolder();
  FastFolder(const FastFolder&) = delete;
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace engine::test
