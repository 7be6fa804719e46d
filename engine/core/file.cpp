#include "engine/core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "engine/core/file_calls.h"

namespace engine {

int FileSystem::open(const std::string& path, int flags, int mode) {
  return ::open(path.c_str(), flags | O_CLOEXEC, mode);
}
ssize_t FileSystem::read(int fd, void* data, size_t bytes) {
  return ::read(fd, data, bytes);
}
ssize_t FileSystem::write(int fd, const void* data, size_t bytes) {
  return ::write(fd, data, bytes);
}
int FileSystem::fsync(int fd) {
  return ::fsync(fd);
}
int FileSystem::close(int fd) {
  return ::close(fd);
}
int FileSystem::rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str());
}
int FileSystem::link(const std::string& from, const std::string& to) {
  return ::link(from.c_str(), to.c_str());
}
int FileSystem::unlink(const std::string& path) {
  return ::unlink(path.c_str());
}
int FileSystem::touch(int fd) {
  return ::futimens(fd, nullptr);
}

int FileSystem::mkdir(const std::string& path, int mode) {
  return ::mkdir(path.c_str(), static_cast<mode_t>(mode));
}
int64_t FileSystem::free_bytes(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return -1;
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}
void FileSystem::point(std::string_view) {}

FileSystem& real_files() {
  static FileSystem files;
  return files;
}

void make_folders(FileSystem& files, const std::string& path) {
  if (path.empty() || is_folder(path)) return;
  const std::string parent = folder_of(path);
  if (parent != path && parent != "." && parent != "/") make_folders(files, parent);
  if (files.mkdir(path, 0755) != 0 && !(errno == EEXIST && is_folder(path))) {
    storage_error("create the folder", path);
  }
}

void require_free_space(FileSystem& files, const std::string& folder, uint64_t needed) {
  const int64_t free = files.free_bytes(folder);
  if (free < 0 || static_cast<uint64_t>(free) >= needed) return;
  fail(ExitCode::storage,
       "{}: the disk is too full: {} free, {} needed; make room and run again with --resume",
       folder, human_bytes(static_cast<uint64_t>(free)), human_bytes(needed));
}

InputFile::InputFile(const std::string& path, ExitCode code) : path_(path), code_(code) {
  struct stat info {};
  fd_ = retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (fd_ < 0 || fstat(fd_, &info) != 0) {
    const int cause = errno;
    if (fd_ >= 0) ::close(fd_);
    fail(code, "{}: cannot open: {}", path, std::strerror(cause));
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail(code, "{}: expected a file, got {}", path,
         S_ISDIR(info.st_mode) ? "a folder" : "a device");
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() {
  ::close(fd_);
}

void InputFile::read(void* data, size_t bytes) {
  auto* place = static_cast<std::byte*>(data);
  while (bytes > 0) {
    const ssize_t got =
        retry([&] { return ::read(fd_, place, std::min(bytes, size_t{64} << 20)); });
    if (got < 0)
      fail(code_, "{}: cannot read at offset {}: {}", path_, offset_, std::strerror(errno));
    if (got == 0) fail(code_, "{}: ends at offset {}, {} bytes too early", path_, offset_, bytes);
    place += got;
    bytes -= static_cast<size_t>(got);
    offset_ += static_cast<uint64_t>(got);
  }
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string read_text(const std::string& path, uint64_t limit) {
  InputFile file(path, ExitCode::data);
  if (file.size() > limit) {
    fail(ExitCode::data, "{}: is larger ({}) than expected (at most {})", path,
         human_bytes(file.size()), human_bytes(limit));
  }
  std::string text(file.size(), '\0');
  file.read(text.data(), text.size());
  return text;
}

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  constexpr std::array units{"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string hash_hex(std::string_view bytes) {
  const XXH128_hash_t digest = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

}  // namespace engine
