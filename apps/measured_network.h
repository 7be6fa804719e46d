#pragma once

// What the verbs that measure share: an experiment's network on random images that lie in memory
// (speed does not depend on what they show, and no data set is needed), their options, and what
// they say of the conditions.

#include <memory>

#include "apps/arguments.h"
#include "apps/session.h"
#include "engine/core/value.h"

namespace engine {

struct MeasuringOptions {
  SharedOptions shared;
  int64_t batch = 0;  ///< --batch; 0: the experiment's
};

/// FILE and --batch, the first arguments of such a verb.
void add_measured(Arguments& arguments, MeasuringOptions& options);
/// --set and all that other verbs have, too; the last ones.
void add_conditions(Arguments& arguments, MeasuringOptions& options);
Session open_measured(const MeasuringOptions& options);

/// Experiment, device, threads, libraries and batch size, as --json begins.
Value conditions_value(const Session& session);
/// The same as lines for a person; `more` ends the last one.
void print_conditions(const Session& session, const std::string& more = {});

class MeasuredNetwork {
 public:
  MeasuredNetwork(const Session& session, const SharedOptions& options);

  const SourceInfo& source() const { return source_; }
  int64_t images() const { return images_.shape.n; }
  /// Preprocesses all of them, as a run does for each epoch.
  void preprocess();
  /// Steps on, epoch after epoch. The learning rate is zero: random labels must not drive the
  /// weights to NaN.
  void train(int64_t steps);
  Totals evaluate();
  /// See Executor::time_nodes. The next step begins an epoch.
  std::vector<NodeTime> time_nodes(int repetitions);

 private:
  void begin_epoch();

  int64_t batch_;
  SourceInfo source_;
  ImageSet images_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<PreparedSet> training_set_, evaluation_set_;
  std::unique_ptr<Executor> executor_;
  std::vector<int32_t> order_;
  int64_t steps_left_ = 0;  ///< of the epoch
};

}  // namespace engine
