#pragma once

// Arguments that several verbs share: each is declared in one place.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/arguments.h"
#include "engine/data/dataset.h"
#include "engine/run/experiment.h"

namespace engine {

struct SharedOptions {
  std::string file;              ///< FILE, the experiment
  std::vector<std::string> set;  ///< --set, then what other flags stand for, in this order
  std::string device = "auto";   ///< --device
  std::string target;            ///< --target, a GPU that is only described; empty: none
  int64_t threads = 0;           ///< --threads
  std::string data_dir;          ///< --data-dir
  bool skip_bad = false;         ///< --skip-bad
  bool json = false;             ///< --json
  std::optional<int64_t> seed;   ///< --seed
  std::vector<std::string> without_passes;  ///< --without-pass
};

void add_file(Arguments& arguments, SharedOptions& options);
void add_set(Arguments& arguments, SharedOptions& options);      ///< --set, --seed
void add_machine(Arguments& arguments, SharedOptions& options);  ///< --device, --threads
void add_passes(Arguments& arguments, SharedOptions& options);   ///< --without-pass
void add_data(Arguments& arguments, SharedOptions& options);     ///< --data-dir, --skip-bad
void add_data_dir(Arguments& arguments,
                  SharedOptions& options);  ///< --data-dir alone: to know the classes
void add_json(Arguments& arguments, SharedOptions& options);

/// FILE with --set and --seed applied.
Experiment open_experiment(const SharedOptions& options, const Registry& registry);
DataOptions data_options(const SharedOptions& options);

/// One image as the network sees it, when the source gives `image`.
Shape preprocessed_shape(const Experiment& experiment, Shape image);
/// The stages in order; leave_out_noise drops those that draw noise.
std::vector<const Stage*> stages_of(const Experiment& experiment, bool leave_out_noise = false);

}  // namespace engine
