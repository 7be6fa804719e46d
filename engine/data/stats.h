#pragma once

#include <string>
#include <vector>

#include "engine/core/value.h"
#include "engine/data/dataset.h"

namespace engine {

/// What `data stats` shows.
struct DataStats {
  Shape image;
  std::vector<std::string> classes;
  std::vector<int64_t> train, test;  ///< images of each class
  std::vector<double> mean,
      deviation;  ///< of each channel over the training images, pixels in [0, 1]
  std::string fingerprint;
  std::vector<std::string> skipped;
};

DataStats data_stats(const Dataset& data);
/// A table for people.
std::string to_table(const DataStats& stats);
Value to_value(const DataStats& stats);

}  // namespace engine
