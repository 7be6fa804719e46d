#pragma once

// A file system that counts its calls and makes one of them fail, write short, or kill the process.

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "engine/core/file.h"

namespace engine::test {

class FaultFiles : public FileSystem {
 public:
  enum class Fault { none, error, short_write, kill };

  Fault fault = Fault::none;
  int error = EIO;
  int64_t at = -1;         ///< the call (from 0) that the fault hits
  std::string kill_at;     ///< the point at which the process is killed
  int64_t kill_after = 0;  ///< how often kill_at is passed first
  int64_t free = -1;       ///< what free_bytes says; -1: the truth
  bool no_links = false;   ///< as a file system without hard links

  int64_t calls = 0;
  bool happened = false;
  std::vector<std::string> names;   ///< of the calls
  std::vector<std::string> points;  ///< passed so far
  std::function<void(std::string_view)> on_point;

  int open(const std::string& path, int flags, int mode) override {
    return hit("open " + path) ? -1 : FileSystem::open(path, flags, mode);
  }
  ssize_t read(int fd, void* data, size_t bytes) override {
    return hit("read") ? -1 : FileSystem::read(fd, data, bytes);
  }
  ssize_t write(int fd, const void* data, size_t bytes) override {
    if (hit("write")) return -1;
    if (happened && fault == Fault::short_write && calls == at + 1) bytes = bytes / 2 + 1;
    return FileSystem::write(fd, data, bytes);
  }
  int fsync(int fd) override { return hit("fsync") ? -1 : FileSystem::fsync(fd); }
  int close(int fd) override {
    // The descriptor is gone whatever close says.
    const bool bad = hit("close");
    const int cause = errno;
    const int result = FileSystem::close(fd);
    if (bad) errno = cause;
    return bad ? -1 : result;
  }
  int rename(const std::string& from, const std::string& to) override {
    return hit("rename " + from) ? -1 : FileSystem::rename(from, to);
  }
  int link(const std::string& from, const std::string& to) override {
    if (hit("link " + from)) return -1;
    if (no_links) {
      errno = EPERM;
      return -1;
    }
    return FileSystem::link(from, to);
  }
  int unlink(const std::string& path) override {
    return hit("unlink " + path) ? -1 : FileSystem::unlink(path);
  }
  int mkdir(const std::string& path, int mode) override {
    return hit("mkdir " + path) ? -1 : FileSystem::mkdir(path, mode);
  }
  int64_t free_bytes(const std::string& path) override {
    if (hit("statvfs")) return -1;
    return free >= 0 ? free : FileSystem::free_bytes(path);
  }
  void point(std::string_view name) override {
    points.emplace_back(name);
    if (on_point) on_point(name);
    if (name == kill_at && kill_after-- == 0) kill(getpid(), SIGKILL);
  }

 private:
  /// Counts; true: this call is to fail with errno set.
  bool hit(std::string name) {
    names.push_back(std::move(name));
    if (calls++ != at || fault == Fault::none) return false;
    happened = true;
    if (fault == Fault::kill) kill(getpid(), SIGKILL);
    if (fault == Fault::short_write) return false;
    errno = error;
    return true;
  }
};

}  // namespace engine::test
