#include "apps/options.h"

#include "engine/cpu/cpu_device.h"
#include "engine/graph/passes.h"

namespace engine {

void add_file(Arguments& arguments, SharedOptions& options) {
  arguments.text("FILE", options.file,
                 {.doc = "Experiment file (JSON with comments)", .required = true});
}

void add_set(Arguments& arguments, SharedOptions& options) {
  arguments.list(
      "--set", options.set,
      {.doc = "Override a key of the file: --set train.epochs=5 --set preprocess.noise.sigma=0.2. "
              "VALUE is JSON or a plain word. May be repeated",
       .placeholder = "KEY=VALUE"});
  arguments.integer("--seed", options.seed, {.doc = "Override the key seed", .placeholder = "N"});
}

void add_machine(Arguments& arguments, SharedOptions& options) {
  arguments.text("--device", options.device,
                 {.doc = "Where to run: auto, cpu, cuda or cuda:N (default: auto)",
                  .placeholder = "DEVICE",
                  .hints = {"auto", "cpu", "cuda"}});
  arguments.integer("--threads", options.threads,
                    {.doc = "Threads (default: every core this process may use)",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 4096});
}

void add_passes(Arguments& arguments, SharedOptions& options) {
  std::vector<std::string> names;
  for (const PassInfo& pass : known_passes()) names.emplace_back(pass.name);
  arguments.list("--without-pass", options.without_passes,
                 {.doc = "Switch off a pass that rewrites the graph. May be repeated",
                  .placeholder = "NAME",
                  .hints = std::move(names)});
}

void add_data_dir(Arguments& arguments, SharedOptions& options) {
  arguments.text("--data-dir", options.data_dir,
                 {.doc = "Folder of the data sets (default: data/ here, then $ENGINE_DATA)",
                  .placeholder = "DIR"});
}

void add_data(Arguments& arguments, SharedOptions& options) {
  add_data_dir(arguments, options);
  arguments.flag("--skip-bad", options.skip_bad,
                 {.doc = "Go on without unreadable images, and list them"});
}

void add_json(Arguments& arguments, SharedOptions& options) {
  arguments.flag("--json", options.json, {.doc = "Print JSON"});
}

Experiment open_experiment(const SharedOptions& options, const Registry& registry) {
  ExperimentOptions experiment_options{options.set};
  if (options.seed) experiment_options.set.push_back(fmt::format("seed={}", *options.seed));
  return load_experiment(options.file, experiment_options, registry);
}

DataOptions data_options(const SharedOptions& options) {
  return {.data_dir = resolve_data_dir(options.data_dir),
          .skip_bad = options.skip_bad,
          .threads = threads()};
}

Shape preprocessed_shape(const Experiment& experiment, Shape image) {
  for (const auto& stage : experiment.preprocess) image = stage->infer(image);
  return image;
}

std::vector<const Stage*> stages_of(const Experiment& experiment, bool leave_out_noise) {
  std::vector<const Stage*> stages;
  for (const auto& stage : experiment.preprocess) {
    if (!(leave_out_noise && stage->is_noise())) stages.push_back(stage.get());
  }
  return stages;
}

}  // namespace engine
