#pragma once

#include <string>
#include <vector>

#include "engine/report/run_facts.h"

namespace engine {

/// Events for TensorBoard in the run folder, in one file that grows by a record an epoch.
///
/// A resume goes on with the file when what is in it is the beginning of what the run's epochs
/// give. If it holds more than the checkpoint (epochs to be trained again, an earlier end), or a
/// process died while it wrote, the file is replaced by a new one with all epochs so far: one that
/// is read while it grows must not change where it was read already. The new one has a later name,
/// to which a reader goes on by itself, and the old one is left empty.
class TensorboardLog : public RunObserver {
 public:
  /// facts are told before this observer is.
  explicit TensorboardLog(const RunFacts& facts) : facts_(facts) {}

  void loaded(const RunView&, const Split&) override {}
  void tested(const RunView&, const TestView&) override {}
  void noted(const RunView& run, const Status& status, FileSystem& files) override;

 private:
  void begin(const RunView& run, FileSystem& files, double time);
  void write_anew(FileSystem& files, const std::string& folder, const std::vector<std::string>& all,
                  double time);
  void append(FileSystem& files, const std::vector<std::string>& events);

  const RunFacts& facts_;
  std::string path_;        ///< of the file
  bool following_ = false;  ///< it holds exactly what was appended
  size_t epochs_ = 0;       ///< in it
};

}  // namespace engine
