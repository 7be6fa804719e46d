#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/file.h"

namespace engine {

/// The names inside a run folder. Fixed: users and other programs rely on them.
namespace run_files {
inline constexpr std::string_view kConfig = "config.json";
inline constexpr std::string_view kEnvironment = "environment.json";
inline constexpr std::string_view kMetrics = "metrics.csv";
inline constexpr std::string_view kLog = "log.txt";
inline constexpr std::string_view kResults = "results.json";
inline constexpr std::string_view kReport = "report.html";
inline constexpr std::string_view kModel = "model.onnx";
inline constexpr std::string_view kWeights = "weights.safetensors";
inline constexpr std::string_view kStatus = "status.json";
inline constexpr std::string_view kCheckpoints = "checkpoints";
inline constexpr std::string_view kBest = "checkpoints/best.safetensors";
inline constexpr std::string_view kLast = "checkpoints/last.safetensors";
inline constexpr std::string_view kState = "checkpoints/last.state.safetensors";
inline constexpr std::string_view kPictures = "pictures";
inline constexpr std::string_view kCurves = "pictures/curves.svg";
inline constexpr std::string_view kMatrixPicture = "pictures/confusion_matrix.svg";
inline constexpr std::string_view kReliability = "pictures/reliability.svg";
inline constexpr std::string_view kStages = "pictures/stages.svg";
inline constexpr std::string_view kPredictionsPicture = "pictures/predictions.svg";
inline constexpr std::string_view kClassCounts = "pictures/class_counts.svg";
inline constexpr std::string_view kTables = "tables";
inline constexpr std::string_view kPerClass = "tables/per_class.csv";
inline constexpr std::string_view kMatrixTable = "tables/confusion_matrix.csv";
inline constexpr std::string_view kPredictionsTable = "tables/predictions.csv";
inline constexpr std::string_view kTensorboard = "tensorboard";
/// Of an events file, before and behind the ten digits of the second in which it was begun.
inline constexpr std::string_view kEventsBegin = "events.out.tfevents.";
inline constexpr std::string_view kEventsEnd = ".engine";
/// Where events are written anew before they get their name; a reader does not look at it.
inline constexpr std::string_view kEventsAnew = "tensorboard/anew";
inline constexpr std::string_view kLock = ".lock";
}  // namespace run_files

/// The events files in a run folder, oldest first: names from the folder on, "tensorboard/...".
std::vector<std::string> events_files(const std::string& folder);

/// An exclusive lock on a folder, by flock on "<folder>/.lock": it vanishes with its process,
/// however that ends.
class FolderLock {
 public:
  /// Throws Error (busy) when another process holds it.
  FolderLock(FileSystem& files, const std::string& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  void remove();  ///< deletes the lock file too, while it is held

 private:
  FileSystem* files_;
  std::string path_;
  int fd_ = -1;
};

struct FolderRequest {
  std::string name;  ///< of the experiment
  std::string out;   ///< exactly this folder; empty: the next free <runs>/<name>, <name>-2, ...
  std::string runs = "runs";
  bool resume = false;  ///< without out: the newest <runs>/<name>-k; a new one where there is none
  bool overwrite = false;  ///< without out: <runs>/<name>; begin() removes the run that is there
};

/// A run's folder, locked for this process.
class RunFolder {
 public:
  /// Finds or creates the folder and locks it; changes nothing in it. Throws Error: usage when out
  /// holds a run (or anything else) and neither resume nor overwrite is given, busy when another
  /// process runs there, storage.
  static RunFolder open(FileSystem& files, const FolderRequest& request);
  /// Removes the folder again if this object created it and begin() was not called.
  ~RunFolder();
  RunFolder(RunFolder&& other) noexcept;

  /// The run starts here: an overwritten run's files are removed, checkpoints/ is made.
  void begin();
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view file) const { return path_ + "/" + std::string(file); }
  bool renamed() const { return renamed_; }      ///< <name> was taken, so it is <name>-k
  bool holds_run() const { return holds_run_; }  ///< there is something to resume or overwrite

 private:
  RunFolder(FileSystem& files, std::string path, FolderLock lock);
  static RunFolder open_exactly(FileSystem& files, const FolderRequest& request);
  static RunFolder open_numbered(FileSystem& files, const FolderRequest& request);
  FileSystem* files_;
  std::string path_;
  FolderLock lock_;
  std::string created_;  ///< topmost folder that this object made; empty: it was there
  bool begun_ = false, renamed_ = false, holds_run_ = false, overwrite_ = false;
};

/// One row of metrics.csv.
struct MetricsRow {
  int64_t epoch = 0;  ///< from 1
  double seconds = 0,
         images_per_second = 0;  ///< measured; everything else is a function of the run
  double learning_rate = 0, train_loss = 0, train_accuracy = 0;
  double validation_loss = 0,
         validation_accuracy = 0;  ///< NaN without validation images: an empty cell
};

/// metrics.csv as text; the same rows give the same bytes.
std::string metrics_csv(const std::vector<MetricsRow>& rows);
/// Takes seconds and images_per_second of the rows from a metrics.csv that an earlier process
/// wrote; rows that it lacks keep what they have.
void adopt_times(std::vector<MetricsRow>& rows, const std::string& path);

}  // namespace engine
