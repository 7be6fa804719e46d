#pragma once

// What an experiment asks of a GPU that is only described: `check --target`, `summary --target`.

#include <string>
#include <vector>

#include "apps/session.h"
#include "engine/core/launch_list.h"
#include "engine/core/value.h"

namespace engine {

/// One node's one pass, and what computes it: a library's plan, or kernels of the project's own.
struct PassReport {
  std::string program;  ///< "training", "evaluation"
  std::string node, pass;
  std::string engine;   ///< the library's, of a plan
  std::string kernels;  ///< "activation_backward, sum_columns"; empty for a plan
  size_t workspace_bytes = 0;
  std::string note;
};

struct TargetReport {
  std::vector<PassReport> passes;        ///< of training, then of evaluation
  std::vector<LaunchList::Launch> step;  ///< of one training step; empty without a loss
  MemoryPlan memory;

  double moved_bytes() const;  ///< by a step, as far as it is known
};

/// Builds the session's training and evaluation programs on the session's device, which must be
/// described, and records a step. No data is needed: one black image stands for all. Throws Error
/// (device) with the node that has no plan, Error (out_of_memory) when the GPU is too small.
TargetReport report_target(const Session& session, const SourceInfo& source,
                           const std::vector<std::string>& without_passes = {});

Value launches_value(const TargetReport& report);
/// The launches of a step as a table.
std::string launches_text(const TargetReport& report);

}  // namespace engine
