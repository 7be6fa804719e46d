#pragma once

// How a point of a sweep ended: one small JSON file for each, in the sweep's folder.

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/core/value.h"

namespace engine {

/// A network under one configuration's preprocessing. Accuracies are shares of 1; what is NaN was
/// not measured (no validation images, say).
struct MatrixCell {
  std::string with;  ///< the configuration's name
  double accuracy = std::numeric_limits<double>::quiet_NaN();
  double loss = std::numeric_limits<double>::quiet_NaN();
  std::string reason;  ///< why there are no numbers: "expects images of 1 channel, gets 3"
};

struct Record {
  enum class State { done, failed, skipped };  ///< skipped: a point before it in its chain failed
  State state = State::done;
  std::string identity, configuration, folder;
  int64_t seed = 0;
  int exit_code = 0;        ///< of the run; 0: done; -N: signal N ended it
  std::string reason;       ///< why it failed or was skipped; one line or a few
  std::string log;          ///< what the run said on standard error, below the sweep's folder
  int64_t attempts = 0;     ///< how often it was started
  double seconds = 0;       ///< of the last attempt
  std::string host, ended;  ///< machine; UTC
  // done
  double test_accuracy = 0, test_loss = 0, validation_accuracy = 0, validation_loss = 0;
  int64_t epochs = 0, best_epoch = 0;
  std::vector<MatrixCell> matrix;
};

/// Numbers read back bit for bit; NaN and infinities are null, and NaN again when read. Members
/// under "done" are there only for points that are.
Value record_value(const Record& record);
/// Throws Error (storage) that names the file and the place when it is not what record_value
/// writes. Members that it does not know are left alone.
Record read_record(const Value& value, const std::string& path);

}  // namespace engine
