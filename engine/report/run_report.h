#pragma once

#include <string>
#include <vector>

#include "engine/core/value.h"
#include "engine/run/observer.h"

namespace engine {

/// Node times as the page and `bench --json` give them.
Array node_time_values(const std::vector<NodeTime>& times);

/// Keeps report.html of a run up to date: written at the start, after each epoch and at the end,
/// however it comes. What the page is given: page/data.md.
class RunReport : public RunObserver {
 public:
  /// command: how a person runs it again.
  explicit RunReport(std::string command) : command_(std::move(command)) {}

  void loaded(const RunView& run, const Split& split) override;
  void tested(const RunView& run, const TestView& test) override;
  void noted(const RunView& run, const Status& status, FileSystem& files) override;

 private:
  std::string command_;
  // What does not change any more: null until it is known.
  Value counts_, stages_, network_, test_, confusion_, per_class_, calibration_, mistakes_,
      predictions_, node_times_;
  bool stopped_early_ = false;
};

}  // namespace engine
