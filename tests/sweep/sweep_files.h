#pragma once

// Sweep files in a folder of their own, beside experiments that train in a moment.

#include <string>
#include <string_view>

#include "engine/sweep/sweep.h"
#include "tests/config/experiment_files.h"

namespace engine::test {

/// An epoch of 48 images of 8x8: about a tenth of a second, most of it the start of the process.
inline constexpr std::string_view kSmallExperiment = R"({
  "data": { "source": "shapes", "count": 60, "size": 8, "validation": 0.2 },
  "preprocess": [ { "op": "grayscale" }, { "op": "noise", "sigma": 0.1, "when": "once" } ],
  "network": { "nodes": [
    { "name": "conv", "op": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "activation": "relu" },
    { "op": "global_average_pool" },
    { "name": "classifier", "op": "dense", "units": "classes" } ] },
  "train": { "epochs": 1, "batch_size": 16 },
  "log": { "report": false } })";

class SweepFiles {
 public:
  SweepFiles() {
    files_.write("small.json", kSmallExperiment);
    files_.write("smooth.json", R"({ "extends": "small.json", "preprocess": [
      { "op": "grayscale" }, { "op": "noise", "sigma": 0.1, "when": "once" },
      { "op": "smooth", "sigma": 1.0 } ] })");
  }

  /// The sweep file's path, with this text in it.
  std::string write(std::string_view text, std::string_view name = "sweep.json") const {
    files_.write(name, text);
    return files_.path(name);
  }
  std::string path(std::string_view name) const { return files_.path(name); }

  Sweep expand(std::string_view text, const SweepOptions& options = {}) const {
    return expand_sweep(load_sweep_file(write(text)), options, registry());
  }

  /// What is said of a wrong sweep file, without the folder's name.
  std::string complaint(std::string_view text) const {
    try {
      expand(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::experiment);
      return files_.without_folder(error.what());
    }
    return "(nothing)";
  }

 private:
  ExperimentFiles files_;
};

}  // namespace engine::test
