#include "engine/run/run_folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/core/error.h"

namespace engine {
namespace {

namespace fs = std::filesystem;

constexpr int kMostRuns = 100000;

/// Everything that a run makes; --overwrite removes these and nothing else.
std::vector<std::string> files_of_a_run(const std::string& folder) {
  std::vector<std::string> names = events_files(folder);
  for (const auto name :
       {run_files::kConfig, run_files::kEnvironment, run_files::kMetrics, run_files::kLog,
        run_files::kResults, run_files::kReport, run_files::kStatus, run_files::kModel,
        run_files::kWeights, run_files::kCurves, run_files::kMatrixPicture, run_files::kReliability,
        run_files::kStages, run_files::kPredictionsPicture, run_files::kClassCounts,
        run_files::kPerClass, run_files::kMatrixTable, run_files::kPredictionsTable,
        run_files::kEventsAnew}) {
    names.emplace_back(name);
    names.push_back(std::string(name) + ".tmp");
  }
  for (const auto name : {run_files::kState, run_files::kLast, run_files::kBest}) {
    for (const auto* suffix : {"", ".prev", ".prev.tmp", ".tmp"}) {
      names.push_back(std::string(name) + suffix);
    }
  }
  return names;
}

void check_name(const std::string& name) {
  const bool good = !name.empty() && name[0] != '.' && name.size() <= 200 &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return static_cast<uint8_t>(c) >= 0x20 && c != '/' && c != '\\' && c != 0x7F;
                    });
  if (!good) {
    fail(ExitCode::experiment,
         "name: expected a name that can be a folder's (no slash, no dot in front), got \"{}\"",
         name);
  }
}

std::string numbered(const FolderRequest& request, int number) {
  const std::string base = request.runs + "/" + request.name;
  return number == 1 ? base : fmt::format("{}-{}", base, number);
}

bool is_empty(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename() != run_files::kLock) return false;
  }
  return true;
}

bool has_run(const std::string& folder) {
  return exists(folder + "/" + std::string(run_files::kConfig)) ||
         exists(folder + "/" + std::string(run_files::kState)) ||
         exists(folder + "/" + std::string(run_files::kState) + ".prev");
}

/// The first folder of a path that does not exist yet; empty: all exist.
std::string topmost_missing(const std::string& path) {
  fs::path missing;
  for (fs::path folder = path; !folder.empty() && !exists(folder.string());
       folder = folder.parent_path()) {
    missing = folder;
  }
  return missing.string();
}

/// Number of the newest folder of this name that holds a run; 0: none.
int newest_run(const FolderRequest& request) {
  int newest = has_run(numbered(request, 1)) ? 1 : 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(request.runs, error)) {
    const std::string name = entry.path().filename().string();
    const std::string prefix = request.name + "-";
    if (!name.starts_with(prefix)) continue;
    int number = 0;
    const char* end = name.data() + name.size();
    const auto [stop, failed] = std::from_chars(name.data() + prefix.size(), end, number);
    if (failed == std::errc() && stop == end && number > newest && has_run(entry.path().string())) {
      newest = number;
    }
  }
  return newest;
}

}  // namespace

std::vector<std::string> events_files(const std::string& folder) {
  constexpr std::string_view kBegin = run_files::kEventsBegin, kEnd = run_files::kEventsEnd;
  constexpr size_t kDigits = 10;
  std::vector<std::string> names;
  std::error_code error;
  const std::string inside = folder + "/" + std::string(run_files::kTensorboard);
  for (const auto& entry : fs::directory_iterator(inside, error)) {
    const std::string name = entry.path().filename().string();
    if (name.size() != kBegin.size() + kDigits + kEnd.size() || !name.starts_with(kBegin) ||
        !name.ends_with(kEnd) ||
        name.find_first_not_of("0123456789", kBegin.size()) != kBegin.size() + kDigits) {
      continue;
    }
    names.push_back(std::string(run_files::kTensorboard) + "/" + name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

RunFolder::RunFolder(FileSystem& files, std::string path, FolderLock lock)
    : files_(&files), path_(std::move(path)), lock_(std::move(lock)), holds_run_(has_run(path_)) {}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : files_(other.files_),
      path_(std::move(other.path_)),
      lock_(std::move(other.lock_)),
      created_(std::exchange(other.created_, {})),
      begun_(other.begun_),
      renamed_(other.renamed_),
      holds_run_(other.holds_run_),
      overwrite_(other.overwrite_) {}

RunFolder::~RunFolder() {
  if (created_.empty() || begun_ || !is_empty(path_)) return;
  lock_.remove();
  std::error_code failed;
  // Up to the topmost folder that this object made; a folder that holds something stays.
  for (fs::path folder = path_; fs::remove(folder, failed) && folder != created_;) {
    folder = folder.parent_path();
  }
}

RunFolder RunFolder::open_exactly(FileSystem& files, const FolderRequest& request) {
  const std::string& path = request.out;
  if (exists(path) && !is_folder(path)) {
    fail(ExitCode::usage, "--out {}: expected a folder, this is a file", path);
  }
  const std::string created = topmost_missing(path);
  make_folders(files, path);
  RunFolder folder(files, path, FolderLock(files, path));
  folder.created_ = created;
  folder.overwrite_ = request.overwrite;
  if (request.resume || is_empty(path)) return folder;
  if (!folder.holds_run_) {
    fail(ExitCode::usage, "--out {}: holds files that are not a run's; give another folder", path);
  }
  if (!request.overwrite) {
    fail(ExitCode::usage,
         "--out {}: holds a run; go on with it by --resume, replace it by --overwrite, or give "
         "another folder",
         path);
  }
  return folder;
}

RunFolder RunFolder::open_numbered(FileSystem& files, const FolderRequest& request) {
  check_name(request.name);
  const std::string created = topmost_missing(request.runs);
  make_folders(files, request.runs);
  const int wanted = request.resume ? newest_run(request) : request.overwrite ? 1 : 0;
  if (wanted > 0) {
    FolderRequest exact = request;
    exact.out = numbered(request, wanted);
    RunFolder folder = open_exactly(files, exact);
    folder.renamed_ = wanted > 1;
    return folder;
  }
  for (int number = 1; number <= kMostRuns; ++number) {
    const std::string path = numbered(request, number);
    if (files.mkdir(path, 0755) != 0) {  // of processes that start together, one makes it
      if (errno == EEXIST) continue;
      fail(ExitCode::storage, "{}: cannot create the folder: {}", path, std::strerror(errno));
    }
    RunFolder folder(files, path, FolderLock(files, path));
    folder.created_ = created.empty() ? path : created;
    folder.renamed_ = number > 1;
    return folder;
  }
  fail(ExitCode::storage, "{}: {} runs of this name; give --out", numbered(request, 1), kMostRuns);
}

RunFolder RunFolder::open(FileSystem& files, const FolderRequest& request) {
  return request.out.empty() ? open_numbered(files, request) : open_exactly(files, request);
}

void RunFolder::begin() {
  begun_ = true;
  if (overwrite_ && holds_run_) {
    // The states first: what is left after a crash in here must not look like something to resume.
    std::vector<std::string> names = files_of_a_run(path_);
    std::stable_partition(names.begin(), names.end(), [](const std::string& name) {
      return name.starts_with(run_files::kState);
    });
    for (const std::string& name : names) {
      const std::string path = *this / name;
      if (files_->unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR) {
        fail(ExitCode::storage, "{}: cannot remove: {}", path, std::strerror(errno));
      }
    }
    for (const auto name : {run_files::kPictures, run_files::kTables, run_files::kTensorboard}) {
      std::error_code stays;  // a folder with what is not the run's
      if (fs::symlink_status(*this / name, stays).type() != fs::file_type::directory) continue;
      fs::remove(*this / name, stays);
    }
    holds_run_ = false;
  }
  make_folders(*files_, *this / run_files::kCheckpoints);
}

}  // namespace engine
