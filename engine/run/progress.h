#pragma once

// What a person sees of a run: a bar on a terminal, plain lines in a file.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/core/file.h"

namespace engine {

/// A moment in training, as the bar shows it.
struct StepReport {
  int64_t epoch = 0, epochs = 0;       ///< epoch from 1
  uint64_t step = 0;                   ///< optimizer steps of the whole run
  uint64_t position = 0, samples = 0;  ///< samples done and to do in this epoch
  double images_per_second = 0;
  double loss = 0, accuracy = 0;  ///< so far in this epoch
  double epoch_seconds_left = 0, run_seconds_left = 0;
  size_t memory_bytes = 0;  ///< what training takes on the device; 0: not known
  int64_t best_epoch = 0;   ///< the best so far, from 1; 0: none yet
  double best_loss = 0;     ///< its validation loss
};

struct EpochReport {
  int64_t epoch = 0, epochs = 0;
  uint64_t step = 0;
  double seconds = 0, images_per_second = 0, learning_rate = 0;
  double train_loss = 0, train_accuracy = 0;
  bool validated = false;
  double validation_loss = 0, validation_accuracy = 0;
  bool best = false;  ///< the best epoch so far
};

struct ProgressOptions {
  int fd = 2;          ///< standard error
  bool quiet = false;  ///< errors only
  /// Of many runs instead of one: lines in files say no step, and count() is for terminals only.
  bool many_runs = false;
};

/// Bar or lines, chosen by what fd is. On a terminal the bar adapts to the width and is drawn at
/// most ten times a second; NO_COLOR is obeyed. Elsewhere there are only whole lines without
/// control characters, each with time and step. Everything that is permanent also goes to the log.
class Progress {
 public:
  explicit Progress(const ProgressOptions& options = {});
  ~Progress();
  Progress(const Progress&) = delete;

  /// From now on, lines are appended to this file too. A log that cannot be written is a warning.
  void log_to(FileSystem& files, const std::string& path);
  /// A line of its own. Control characters in it are shown as '?'.
  void line(std::string_view text);
  /// Shown even when quiet.
  void warning(std::string_view text);
  void step(const StepReport& report);
  void epoch(const EpochReport& report);
  /// What the bar says while no step runs ("evaluating"); empty: nothing.
  void doing(std::string_view what);
  /// Of a long job that is no training: done of total ("reading images 120/1,000"). A bar on a
  /// terminal; elsewhere a line at a tenth of the job, at most every half minute.
  void count(std::string_view what, uint64_t done, uint64_t total);
  /// Removes the bar.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The bar for a width in columns, without colour and line feed; never longer than width - 1.
std::string render_bar(const StepReport& report, int width);
/// The same of a job that is counted; seconds_left < 0: not known yet.
std::string render_count(std::string_view what, uint64_t done, uint64_t total, double seconds_left,
                         int width);
/// The permanent line of an epoch, whole.
std::string render_epoch(const EpochReport& report);
/// The same in a terminal's columns: shorter words, then less, where the whole does not fit.
std::string render_epoch(const EpochReport& report, int width);
/// "1:02:03", "2:03", "45 s".
std::string render_duration(double seconds);

}  // namespace engine
