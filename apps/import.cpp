// engine import: weights of another program, checked, as a run folder or a weights file.

#include <filesystem>

#include "apps/console.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/run/checkpoint.h"
#include "engine/run/fit_weights.h"
#include "engine/run/run_documents.h"
#include "engine/run/run_folder.h"

namespace engine {
namespace {

struct ImportArguments {
  SharedOptions shared;
  std::string weights, out;
};

/// What PyTorch's own files begin with: a zip archive, or a pickle.
bool is_pickle(const std::string& path) {
  InputFile file(path, ExitCode::data);
  if (file.size() < 8) return false;
  char begin[8];
  file.read(begin, sizeof begin);
  const std::string_view text(begin, sizeof begin);
  return text.starts_with("PK\x03\x04") || text.starts_with("\x80\x02");
}

SavedWeights read(const std::string& path) {
  if (is_pickle(path)) {
    fail(ExitCode::data,
         "{}: a file of torch.save, which holds a program; expected a safetensors file. In Python: "
         "safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")",
         path);
  }
  return read_weights(path);
}

/// The numbers that preprocessing measured: the file's if it has them, else measured now as a run
/// would. The data set is loaded only for the latter.
std::vector<double> statistics_for(const ImportArguments& arguments, const Session& session,
                                   const DatasetInfo& info, const SavedWeights& weights) {
  const std::vector<const Stage*> stages = stages_of(session.experiment);
  const StageOrder order = order_stages(stages, info.image);
  size_t needed = 0;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i]->needs_statistics()) needed += 2 * static_cast<size_t>(order.shapes[i].c);
  }
  if (needed == 0 || weights.statistics.size() == needed) {
    return needed == 0 ? std::vector<double>() : weights.statistics;
  }
  const int64_t seed = session.experiment.seed;
  const Split split =
      split_dataset(load_data(session.experiment.data, seed, arguments.shared),
                    session.experiment.data.validation, static_cast<uint32_t>(seed));
  const auto pipeline = make_pipeline(session, info.image);
  pipeline->measure(split.train);
  return pipeline->statistics();
}

/// PyTorch's flatten of [n, c, h, w] gives another order than the engine's of [n, h, w, c], which
/// no shape tells.
void warn_of_order(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (!node.op->is_view()) continue;
    const Shape& in = graph.shape_of(node.inputs[0]);
    if (in.c == 1 || in.h * in.w == 1 || node.signature.output == in) continue;
    print_error(
        fmt::format("note: \"{}\" orders the values of {} by height, width, channel; PyTorch's "
                    "flatten has channels first. docs/export.md says what to do about weights "
                    "behind it",
                    node.name, to_string(in)));
  }
}

/// A run folder in which nothing was trained: all that evaluate, predict, export and --from read.
std::string write_run(const ImportArguments& arguments, const Session& session,
                      const std::vector<NamedTensor>& weights, const TrainingState& state) {
  if (!arguments.out.empty() && is_folder(arguments.out) &&
      !std::filesystem::is_empty(arguments.out)) {
    fail(ExitCode::usage, "--out {}: holds files; give a new folder", arguments.out);
  }
  FileSystem& files = real_files();
  RunFolder folder =
      RunFolder::open(files, {.name = session.experiment.name + "-imported", .out = arguments.out});
  folder.begin();
  const SaveOptions quick{.durable = false};
  save_file(files, folder / run_files::kConfig, to_json(session.experiment.resolved) + "\n", quick);
  save_file(files, folder / run_files::kEnvironment,
            environment_json(this_environment(session.machine)), quick);
  write_safetensors(files, folder / run_files::kBest, weights, weights_metadata(state, 0));
  const Status status{.state = "imported",
                      .reason = "weights of " + arguments.weights,
                      .epochs = session.experiment.train.epochs,
                      .exit_code = 0};
  save_file(files, folder / run_files::kStatus, status_json(status), quick);
  return folder.path();
}

/// What was done, and what to do next.
void say(const ImportArguments& arguments, const std::string& out, const FittedWeights& weights,
         size_t classes, bool is_run) {
  int64_t numbers = 0;
  for (const NamedTensor& tensor : weights.parameters) numbers += tensor.elements();
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set(is_run ? "folder" : "file", out);
    result.set("tensors", static_cast<int64_t>(weights.parameters.size()));
    result.set("numbers", numbers);
    result.set("classes", static_cast<int64_t>(classes));
    fmt::print("{}\n", to_json(result));
    return;
  }
  fmt::print("{}: {} tensors with {} numbers, {} classes\n", out, weights.parameters.size(),
             with_commas(numbers), classes);
  if (!weights.converted.empty())
    fmt::print("converted to float32: {} of them\n", weights.converted.size());
  if (!weights.ignored.empty())
    fmt::print("left out: {} counters of batches (num_batches_tracked)\n", weights.ignored.size());
  fmt::print("next: ");
  if (is_run) fmt::print("engine evaluate {}\n      ", out);
  fmt::print("engine run {} --from {}\n", arguments.shared.file, out);
}

int import_weights(ImportArguments& arguments) {
  arguments.shared.device = "cpu";
  const Session session = open_session(arguments.shared);
  const SavedWeights saved = read(arguments.weights);
  const DatasetInfo info = inspect_dataset(session.experiment.data, data_options(arguments.shared));
  if (!saved.classes.empty() && saved.classes != info.classes) {
    fail(ExitCode::data, "{}: these weights are of other classes ({}) than the data set has ({})",
         arguments.weights, fmt::join(saved.classes, ", "), fmt::join(info.classes, ", "));
  }
  const Graph graph =
      build_graph(session.experiment.network, preprocessed_shape(session.experiment, info.image),
                  {static_cast<int64_t>(info.classes.size())}, session.machine.registry, {});
  const FittedWeights weights = fit_weights(graph, saved.parameters, arguments.weights);
  warn_of_order(graph);

  TrainingState state;
  state.engine_version = ENGINE_VERSION;
  state.name = session.experiment.name;
  state.classes = info.classes;
  const bool to_file = arguments.out.ends_with(".safetensors");
  if (to_file) {
    write_safetensors(real_files(), arguments.out, weights.parameters, weights_metadata(state, 0));
    say(arguments, arguments.out, weights, info.classes.size(), false);
    return 0;
  }
  state.statistics = statistics_for(arguments, session, info, saved);
  const std::string folder = write_run(arguments, session, weights.parameters, state);
  say(arguments, folder, weights, info.classes.size(), true);
  return 0;
}

}  // namespace

Action declare_import(Arguments& arguments) {
  auto options = std::make_shared<ImportArguments>();
  arguments.text("WEIGHTS", options->weights,
                 {.doc = "Safetensors file, as PyTorch writes it", .required = true});
  arguments.text("--experiment", options->shared.file,
                 {.doc = "Experiment file whose network the weights are for",
                  .placeholder = "FILE",
                  .required = true});
  arguments.text("--out", options->out,
                 {.doc = "Run folder to make, or weights file when it ends in .safetensors "
                         "(default: the next free runs/NAME-imported)",
                  .placeholder = "DIR|FILE"});
  add_set(arguments, options->shared);
  add_data(arguments, options->shared);
  add_json(arguments, options->shared);
  arguments.footer(
      "Everything that does not fit is reported at once. The data set is read only when "
      "preprocessing has to measure it.");
  return [options] { return import_weights(*options); };
}

}  // namespace engine
