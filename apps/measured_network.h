#pragma once

// An experiment's network on random images that lie in memory: speed does not depend on what they
// show, and no data set is needed.

#include <memory>

#include "apps/session.h"

namespace engine {

class MeasuredNetwork {
 public:
  MeasuredNetwork(const Session& session, const SharedOptions& options);

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
  ImageSet images_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<PreparedSet> training_set_, evaluation_set_;
  std::unique_ptr<Executor> executor_;
  std::vector<int32_t> order_;
  int64_t steps_left_ = 0;  ///< of the epoch
};

}  // namespace engine
