// The save protocol: how a file is replaced as one step.

#include <fcntl.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>

#include "engine/core/file.h"
#include "engine/core/file_calls.h"

namespace engine {
namespace {

/// A descriptor that is closed on the way out of an error.
class Descriptor {
 public:
  Descriptor(FileSystem& files, int fd) : files_(files), fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) files_.close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// The result matters: some file systems report a failed write only here. An interrupted close
  /// has closed (Linux), and what counts was flushed before.
  bool close() {
    const int fd = fd_;
    fd_ = -1;
    return files_.close(fd) == 0 || errno == EINTR;
  }

 private:
  FileSystem& files_;
  int fd_;
};

using Digest = XXH128_hash_t;

Digest digest_of(Pieces pieces) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       XXH3_freeState);
  XXH3_128bits_reset(state.get());
  for (const auto& piece : pieces) XXH3_128bits_update(state.get(), piece.data(), piece.size());
  return XXH3_128bits_digest(state.get());
}

/// One save under way. Its destructor removes what is half done.
class Save {
 public:
  Save(FileSystem& files, const std::string& path, const SaveOptions& options)
      : files_(files), path_(path), temporary_(path + ".tmp"), options_(options) {}
  ~Save() {
    if (!committed_) files_.unlink(temporary_);
  }

  void write(Pieces pieces) {
    point("begin");
    Descriptor file(
        files_, retry([&] { return files_.open(temporary_, O_WRONLY | O_CREAT | O_TRUNC, 0644); }));
    if (file.get() < 0) storage_error("create", temporary_);
    point("created");
    bool first = true;
    for (const auto& piece : pieces) {
      write_all(file.get(), piece);
      if (first) point("part written");
      first = false;
    }
    point("written");
    if (options_.durable) {
      if (retry([&] { return files_.fsync(file.get()); }) != 0) storage_error("flush", temporary_);
      point("flushed");
    }
    if (!file.close()) storage_error("close", temporary_);
    if (options_.durable) verify(pieces);
  }

  void commit() {
    if (options_.keep_previous) keep_previous();
    if (files_.rename(temporary_, path_) != 0) storage_error("put in place", path_);
    committed_ = true;
    point("renamed");
    if (options_.durable) flush_folder();
    point("end");
  }

 private:
  void point(std::string_view name) {
    files_.point(options_.label.empty() ? std::string(name)
                                        : fmt::format("{}: {}", options_.label, name));
  }

  void write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const size_t part = std::min<size_t>(bytes.size(), size_t{64} << 20);
      const ssize_t done = retry([&] { return files_.write(fd, bytes.data(), part); });
      if (done < 0) storage_error("write", temporary_);
      if (done == 0) {
        errno = ENOSPC;
        storage_error("write", temporary_);
      }
      bytes = bytes.subspan(static_cast<size_t>(done));
    }
  }

  /// Reads the new file back. Catches what a disk or network share lost without saying so.
  void verify(Pieces pieces) {
    const Digest expected = digest_of(pieces);
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                         XXH3_freeState);
    XXH3_128bits_reset(state.get());
    Descriptor file(files_, retry([&] { return files_.open(temporary_, O_RDONLY, 0); }));
    if (file.get() < 0) storage_error("read back", temporary_);
    std::vector<std::byte> buffer(size_t{1} << 18);
    for (;;) {
      const ssize_t got =
          retry([&] { return files_.read(file.get(), buffer.data(), buffer.size()); });
      if (got < 0) storage_error("read back", temporary_);
      if (got == 0) break;
      XXH3_128bits_update(state.get(), buffer.data(), static_cast<size_t>(got));
    }
    if (!XXH128_isEqual(expected, XXH3_128bits_digest(state.get()))) {
      fail(ExitCode::storage,
           "{}: what was read back is not what was written; is the disk failing?", temporary_);
    }
    if (!file.close()) storage_error("close", temporary_);
    point("verified");
  }

  /// A second name for the old file, so that path itself is never missing.
  void keep_previous() {
    const std::string link = path_ + ".prev.tmp";
    files_.unlink(link);
    if (files_.link(path_, link) != 0) {
      if (errno == ENOENT) return;  // the first save
      // A file system without hard links: the old file moves away, and for a moment only .prev is
      // there.
      if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) {
        if (files_.rename(path_, path_ + ".prev") != 0) {
          if (errno == ENOENT) return;
          storage_error("keep the previous", path_);
        }
        point("previous moved");
        return;
      }
      storage_error("keep the previous", path_);
    }
    point("linked");
    if (files_.rename(link, path_ + ".prev") != 0) {
      const int cause = errno;
      files_.unlink(link);
      errno = cause;
      storage_error("keep the previous", path_);
    }
    // After a crash at "previous kept", path and .prev are one file, and renaming one name of a
    // file over another does nothing (POSIX): the third name has to go.
    files_.unlink(link);
    point("previous kept");
  }

  void flush_folder() {
    const std::string folder = folder_of(path_);
    Descriptor handle(files_,
                      retry([&] { return files_.open(folder, O_RDONLY | O_DIRECTORY, 0); }));
    if (handle.get() < 0) storage_error("open", folder);
    // Some network file systems cannot flush folders and say so with EINVAL.
    if (retry([&] { return files_.fsync(handle.get()); }) != 0 && errno != EINVAL) {
      storage_error("flush", folder);
    }
    if (!handle.close()) storage_error("close", folder);
  }

  FileSystem& files_;
  const std::string path_, temporary_;
  const SaveOptions options_;
  bool committed_ = false;
};

}  // namespace

void save_file(FileSystem& files, const std::string& path, Pieces pieces,
               const SaveOptions& options) {
  Save save(files, path, options);
  save.write(pieces);
  save.commit();
}

void save_file(FileSystem& files, const std::string& path, std::string_view text,
               const SaveOptions& options) {
  const std::array pieces{std::as_bytes(std::span(text))};
  save_file(files, path, pieces, options);
}

}  // namespace engine
