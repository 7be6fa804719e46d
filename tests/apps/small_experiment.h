#pragma once

// An experiment that trains in a moment.

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/paths.h"

namespace engine::test {

inline nlohmann::json small_experiment() {
  return nlohmann::json::parse(R"({
    "name": "small", "seed": 3,
    "data": { "source": "shapes", "count": 200, "size": 16, "validation": 0.2 },
    "preprocess": [ { "op": "grayscale", "weights": "mean" }, { "op": "noise", "sigma": 0.1, "when": "once" } ],
    "network": { "nodes": [
      { "name": "conv1", "op": "conv2d", "filters": 8, "kernel": 3, "stride": 2, "activation": "relu" },
      { "name": "gap", "op": "global_average_pool" },
      { "name": "dropout", "op": "dropout", "rate": 0.25 },
      { "name": "classifier", "op": "dense", "units": "classes" } ] },
    "train": { "epochs": 2, "batch_size": 16 } })");
}

inline std::string write_experiment(const TemporaryFolder& folder, const std::string& name,
                                    const nlohmann::json& experiment) {
  std::string file = folder / (name + ".json");
  std::ofstream(file) << experiment.dump(2);
  return file;
}

}  // namespace engine::test
