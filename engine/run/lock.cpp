#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/core/error.h"
#include "engine/run/run_folder.h"

namespace engine {

FolderLock::FolderLock(FileSystem& files, const std::string& folder)
    : files_(&files), path_(folder + "/" + std::string(run_files::kLock)) {
  for (;;) {
    fd_ = files.open(path_, O_RDWR | O_CREAT, 0644);
    if (fd_ < 0) fail(ExitCode::storage, "{}: cannot create: {}", path_, std::strerror(errno));
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      const int cause = errno;
      files.close(fd_);
      if (cause == EINTR) continue;
      if (cause != EWOULDBLOCK) {
        fail(ExitCode::storage, "{}: cannot lock: {}", path_, std::strerror(cause));
      }
      fail(ExitCode::busy,
           "{}: another process is running in this folder; wait for it, or give another --out",
           folder);
    }
    // The holder before may have removed the file between our open and our lock; then this lock is
    // on a file that nobody else will find.
    struct stat held {
    }, named{};
    if (::fstat(fd_, &held) == 0 && ::stat(path_.c_str(), &named) == 0 &&
        held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
      return;
    }
    files.close(fd_);
  }
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) files_->close(fd_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : files_(other.files_), path_(std::move(other.path_)), fd_(other.fd_) {
  other.fd_ = -1;
}

void FolderLock::remove() {
  files_->unlink(path_);
}

}  // namespace engine
