#pragma once

// Files. Everything that the engine writes goes through one seam, FileSystem, so that tests can
// make the k-th system call fail or kill the process there.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/error.h"

namespace engine {

/// The system calls that writing needs. Each returns what the call of that name does and sets
/// errno; none retries, none throws. This class is the real one; tests derive from it.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int open(const std::string& path, int flags, int mode);
  virtual ssize_t read(int fd, void* data, size_t bytes);
  virtual ssize_t write(int fd, const void* data, size_t bytes);
  virtual int fsync(int fd);
  virtual int close(int fd);
  virtual int rename(const std::string& from, const std::string& to);
  virtual int link(const std::string& from, const std::string& to);
  virtual int unlink(const std::string& path);
  virtual int mkdir(const std::string& path, int mode);
  /// Sets an open file's time of change to now, by the clock of the file's own system (futimens).
  virtual int touch(int fd);
  /// Bytes that this user can still write at path; -1 when the system does not say.
  virtual int64_t free_bytes(const std::string& path);
  /// A named moment inside a save ("state: renamed"). Does nothing; tests stop the process here.
  virtual void point(std::string_view name);
};

/// The machine's own files.
FileSystem& real_files();

using Pieces = std::span<const std::span<const std::byte>>;

struct SaveOptions {
  bool durable = true;         ///< fsync file and folder, read back and compare before renaming
  bool keep_previous = false;  ///< the file that was there stays as "<path>.prev"
  std::string_view label;      ///< names the points of this save
};

/// Replaces a file as one step: whoever looks finds the old content or the new, whole. Writes
/// "<path>.tmp" in the same folder, flushes it to the disk, reads it back and compares, keeps the
/// old file as .prev (link + rename, so path never goes missing), renames, flushes the folder.
/// Throws Error (storage) with path and cause; then the old file is still there and no .tmp is
/// left.
void save_file(FileSystem& files, const std::string& path, Pieces pieces,
               const SaveOptions& options = {});
void save_file(FileSystem& files, const std::string& path, std::string_view text,
               const SaveOptions& options = {});

/// Creates a folder and those above it. Throws Error (storage).
void make_folders(FileSystem& files, const std::string& path);
/// Throws Error (storage) with path, free and needed unless needed bytes fit.
void require_free_space(FileSystem& files, const std::string& folder, uint64_t needed);

/// A file open for reading; closes itself.
class InputFile {
 public:
  /// Throws Error (code) when path is missing, a folder, or not readable.
  InputFile(const std::string& path, ExitCode code);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  uint64_t size() const { return size_; }
  uint64_t offset() const { return offset_; }
  const std::string& path() const { return path_; }
  /// Reads exactly so many bytes; throws Error that names the offset when the file ends before.
  void read(void* data, size_t bytes);

 private:
  std::string path_;
  ExitCode code_;
  int fd_ = -1;
  uint64_t size_ = 0, offset_ = 0;
};

bool exists(const std::string& path);
bool is_folder(const std::string& path);
/// The whole file. Throws Error (data), also when it is larger than limit.
std::string read_text(const std::string& path, uint64_t limit = uint64_t{64} << 20);
/// "1.5 MB" (powers of 1000), as messages say sizes.
std::string human_bytes(uint64_t bytes);
/// XXH3-128 in hexadecimal.
std::string hash_hex(std::string_view bytes);

}  // namespace engine
