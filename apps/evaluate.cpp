// engine evaluate: loss and accuracy of a run's best weights on one of its splits.

#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/value.h"

namespace engine {
namespace {

struct EvaluateArguments {
  SharedOptions shared;
  std::string run;
  std::string split = "test";
};

int evaluate(EvaluateArguments& arguments) {
  const SavedRun saved = load_run(arguments.run);
  arguments.shared.file = saved.config;
  const Session session = open_session(arguments.shared);
  const auto seed = static_cast<uint32_t>(session.experiment.seed);
  Dataset dataset = load_data(session.experiment.data, seed, arguments.shared);
  const Shape image = dataset.image;
  if (dataset.classes != saved.classes) {
    fail(ExitCode::data, "{}: the run was trained on other classes ({}) than the data set has ({})",
         arguments.run, fmt::join(saved.classes, ", "), fmt::join(dataset.classes, ", "));
  }
  Split split = split_dataset(std::move(dataset), session.experiment.data.validation, seed);
  const auto pipeline = make_pipeline(session, image);
  pipeline->set_statistics(saved.statistics);
  const auto prepared =
      pipeline->prepare(arguments.split == "test" ? split.test : split.validation, false);
  if (prepared->count() == 0)
    fail(ExitCode::data, "{}: the {} split has no images", arguments.run, arguments.split);
  Executor executor(executor_setup(session, pipeline->output(),
                                   static_cast<int64_t>(saved.classes.size()), pipeline.get(),
                                   false));
  executor.set_parameters(saved.parameters);
  const Totals totals = executor.evaluate(*prepared);
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set("run", arguments.run);
    result.set("split", arguments.split);
    result.set("images", static_cast<int64_t>(totals.samples));
    result.set("loss", totals.loss);
    result.set("accuracy", totals.accuracy);
    result.set("epoch", saved.epoch);
    fmt::print("{}\n", to_json(result));
  } else {
    fmt::print("split     {} ({} images)\n", arguments.split,
               with_commas(static_cast<int64_t>(totals.samples)));
    fmt::print("accuracy  {:.2f} %\n", 100 * totals.accuracy);
    fmt::print("loss      {:.4f}\n", totals.loss);
    fmt::print("weights   {} (epoch {})\n", saved.weights, saved.epoch);
  }
  return 0;
}

}  // namespace

Action declare_evaluate(Arguments& arguments) {
  auto options = std::make_shared<EvaluateArguments>();
  arguments.text("RUN", options->run, {.doc = "Run folder", .required = true});
  arguments.text("--split", options->split,
                 {.doc = "test or validation (default: test)",
                  .placeholder = "SPLIT",
                  .choices = {"test", "validation"}});
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return evaluate(*options); };
}

}  // namespace engine
