#pragma once

#include <vector>

#include "engine/core/value.h"
#include "engine/report/run_facts.h"

namespace engine {

/// Node times as the page and `bench --json` give them.
Array node_time_values(const std::vector<NodeTime>& times);

/// Keeps report.html of a run up to date: written at the start, after each epoch and at the end,
/// however it comes. What the page is given: page/data.md. At the end figures and tables, too.
class RunReport : public RunObserver {
 public:
  /// facts are told before this observer is.
  explicit RunReport(const RunFacts& facts) : facts_(facts) {}

  void loaded(const RunView&, const Split&) override {}
  void tested(const RunView& run, const TestView& test) override;
  void noted(const RunView& run, const Status& status, FileSystem& files) override;

 private:
  const RunFacts& facts_;
  Value node_times_;  ///< null until they are measured
};

}  // namespace engine
