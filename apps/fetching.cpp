#include "apps/fetching.h"

#include <unistd.h>

#include "apps/table.h"
#include "engine/core/file.h"
#include "engine/data/cifar10.h"
#include "engine/data/fetch.h"

namespace engine {
namespace {

/// A line that changes on a terminal; elsewhere a line every tenth.
class FetchProgress {
 public:
  FetchProgress(std::string name, bool quiet)
      : name_(std::move(name)), quiet_(quiet), terminal_(isatty(2)) {}
  ~FetchProgress() {
    if (shown_ >= 0 && terminal_) fmt::print(stderr, "\n");
  }
  bool operator()(uint64_t done, uint64_t total) {
    if (quiet_ || total == 0) return true;
    const int share =
        static_cast<int>(100 * done / total) / (terminal_ ? 1 : 10) * (terminal_ ? 1 : 10);
    if (share == shown_) return true;
    shown_ = share;
    fmt::print(stderr, "{}fetching {}: {} % of {}{}", terminal_ ? "\r" : "", name_, share,
               short_bytes(total), terminal_ ? "" : "\n");
    return true;
  }

 private:
  std::string name_;
  bool quiet_, terminal_;
  int shown_ = -1;
};

}  // namespace

bool fetch_cifar10(const std::string& data_dir, const std::string& url, bool quiet) {
  make_folders(real_files(), data_dir);
  Download download = cifar10_download(data_dir);
  if (!url.empty()) download.url = url;
  FetchProgress progress(Cifar10::kArchive, quiet);
  return fetch(download, std::ref(progress));
}

void require_dataset(const Experiment& experiment, const std::string& data_dir, bool fetch,
                     bool quiet) {
  if (experiment.data.source != DataConfig::Source::cifar10) return;
  try {
    find_cifar10(data_dir);
    return;
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    if (!fetch) {
      fail(ExitCode::data,
           "{}\nor let this run do it: --fetch\nor name the folder that holds it: --data-dir DIR\n"
           "or train on images that are built in: engine run experiments/quickstart.json",
           error.what());
    }
  }
  fetch_cifar10(data_dir, {}, quiet);
}

}  // namespace engine
