// engine export: a run's best weights, or the whole model, for other programs.

#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/safetensors.h"
#include "engine/core/value.h"
#include "engine/report/onnx_model.h"
#include "engine/run/fit_weights.h"
#include "engine/run/run_folder.h"
#include "kernels/register.h"

namespace engine {
namespace {

struct ExportArguments {
  SharedOptions shared;
  std::string run, format, out;
};

/// What was written, for programs.
void print_json(const std::string& out, const std::string& format, const SavedRun& run) {
  Value result{Object{}};
  result.set("file", out);
  result.set("format", format);
  result.set("epoch", run.epoch);
  fmt::print("{}\n", to_json(result));
}

void export_onnx(const SavedRun& run, const Experiment& experiment, const Registry& registry,
                 const std::string& out, bool json) {
  const Shape image = source_shape(experiment.data);
  const std::string model = onnx_model({.experiment = experiment,
                                        .run = run,
                                        .image = image,
                                        .registry = registry,
                                        .engine_version = ENGINE_VERSION});
  save_file(real_files(), out, model);
  if (json) return print_json(out, "onnx", run);
  fmt::print("{}: {}, ONNX opset 17, weights of epoch {}\n", out, short_bytes(model.size()),
             run.epoch);
  fmt::print("input   image          uint8 [n, {}, {}, {}]\n", image.h, image.w, image.c);
  fmt::print("output  probabilities  float32 [n, {}]\n", run.classes.size());
  fmt::print("output  label          string [n]\n");
}

void export_safetensors(const SavedRun& run, const Experiment& experiment, const Registry& registry,
                        const std::string& out, bool json) {
  const Graph graph =
      build_graph(experiment.network, preprocessed_shape(experiment, source_shape(experiment.data)),
                  {static_cast<int64_t>(run.classes.size())}, registry, {});
  const FittedWeights weights = fit_weights(graph, run.parameters, run.weights);
  auto metadata = run.metadata;
  std::erase_if(metadata, [](const auto& entry) { return entry.first == "engine.checksum"; });
  write_safetensors(real_files(), out, weights.parameters, metadata);
  if (json) return print_json(out, "safetensors", run);
  fmt::print("{}: {} tensors, weights of epoch {}\n", out, weights.parameters.size(), run.epoch);
}

int export_run(const ExportArguments& arguments) {
  const SavedRun run = load_run(arguments.run);
  if (run.classes.empty()) {
    fail(ExitCode::data,
         "{}: says nothing of classes, so another program wrote it; engine import makes a run "
         "folder of such weights",
         run.weights);
  }
  const Registry registry = register_ops();
  const Experiment experiment = load_experiment(run.config, {}, registry);
  const bool onnx = arguments.format == "onnx";
  const std::string file(onnx ? run_files::kModel : run_files::kWeights);
  const std::string out = arguments.out.empty() ? arguments.run + "/" + file : arguments.out;
  (onnx ? export_onnx : export_safetensors)(run, experiment, registry, out, arguments.shared.json);
  return 0;
}

}  // namespace

Action declare_export(Arguments& arguments) {
  auto options = std::make_shared<ExportArguments>();
  arguments.text("RUN", options->run, {.doc = "Run folder", .required = true});
  arguments.text("--format", options->format,
                 {.doc = "onnx: preprocessing, network and weights in one model; safetensors: the "
                         "weights alone",
                  .placeholder = "FORMAT",
                  .required = true,
                  .choices = {"onnx", "safetensors"}});
  arguments.text("--out", options->out,
                 {.doc = "File to write (default: model.onnx or weights.safetensors in the run "
                         "folder)",
                  .placeholder = "FILE"});
  add_json(arguments, options->shared);
  arguments.footer(
      "The model takes images as the data source gives them and answers like engine predict. "
      "docs/export.md shows both formats in Python.");
  return [options] { return export_run(*options); };
}

}  // namespace engine
