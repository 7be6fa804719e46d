#pragma once

// TrainingState as a safetensors file: tensors "weight/...", "moment/...", "best/...", "metrics"
// and "statistics"; everything else as text in the metadata.

#include "engine/run/checkpoint.h"

namespace engine {

struct StateFile {
  explicit StateFile(const TrainingState& state);
  StateFile(const StateFile&) = delete;

 private:
  std::vector<double> metrics_, statistics_;  // before file, which refers to them

 public:
  SafetensorsFile file;
};

/// Throws Error (data) with the file and what is wrong with it.
TrainingState read_state(const std::string& path);

}  // namespace engine
