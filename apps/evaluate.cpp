// engine evaluate: loss and accuracy of a run's best weights on one of its splits, under the run's
// own preprocessing and under that of other experiment files.

#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/value.h"

namespace engine {
namespace {

struct EvaluateArguments {
  SharedOptions shared;
  std::string run;
  std::string split = "test";
  std::vector<std::string> with;
};

/// An experiment file of which only the preprocessing counts, and what came of it.
struct OtherFile {
  std::string file;
  Experiment experiment;
  std::string reason;  ///< why there are no totals
  Totals totals;
};

/// Why images that `other` preprocesses cannot go into the run's network; empty: they can. No stage
/// changes height or width.
std::string misfit(const Experiment& run, const Experiment& other) {
  const Shape image = source_shape(run.data);
  const int64_t expected = order_stages(stages_of(run), image).output().c;
  try {
    const int64_t given = order_stages(stages_of(other), image).output().c;
    if (given == expected) return {};
    return fmt::format("expects images of {} channel{}, gets {}", expected,
                       expected == 1 ? "" : "s", given);
  } catch (const Error& error) {
    return error.what();
  }
}

/// Reads them all before any data are loaded.
std::vector<OtherFile> read_others(const EvaluateArguments& arguments, const Session& session) {
  const bool goes_on = arguments.shared.json && arguments.with.size() > 1;
  std::vector<OtherFile> others;
  for (const std::string& file : arguments.with) {
    OtherFile other{file, load_experiment(file, {}, session.machine.registry), {}, {}};
    other.reason = misfit(session.experiment, other.experiment);
    if (!other.reason.empty() && !goes_on) {
      fail(ExitCode::experiment, "{}: does not fit the network of {}, which {}", file,
           arguments.run, other.reason);
    }
    others.push_back(std::move(other));
  }
  return others;
}

Split load_split(const EvaluateArguments& arguments, const SavedRun& saved,
                 const Experiment& experiment) {
  const auto seed = static_cast<uint32_t>(experiment.seed);
  Dataset dataset = load_data(experiment.data, seed, arguments.shared);
  if (dataset.classes != saved.classes) {
    fail(ExitCode::data, "{}: the run was trained on other classes ({}) than the data set has ({})",
         arguments.run, fmt::join(saved.classes, ", "), fmt::join(dataset.classes, ", "));
  }
  return split_dataset(std::move(dataset), experiment.data.validation, seed);
}

bool preprocess_alike(const Experiment& a, const Experiment& b) {
  return to_json(*a.resolved.find("preprocess")) == to_json(*b.resolved.find("preprocess"));
}

/// The run's weights on images that the stages of `preprocessing` prepare. Seed, network and data
/// are the run's. Statistics are those of the run where the stages are its own, else measured on
/// its training images.
Totals evaluate_under(const Experiment& preprocessing, const Session& session,
                      const SavedRun& saved, const ImageSet& training, const ImageSet& images) {
  const auto pipeline =
      make_pipeline(session, stages_of(preprocessing), images.shape.with_batch(1));
  if (preprocess_alike(preprocessing, session.experiment)) {
    pipeline->set_statistics(saved.statistics);
  } else {
    pipeline->measure(training);
  }
  const auto prepared = pipeline->prepare(images, false);
  Executor executor(executor_setup(session, pipeline->output(),
                                   static_cast<int64_t>(saved.classes.size()), pipeline.get(),
                                   false));
  executor.set_parameters(saved.parameters);
  return executor.evaluate(*prepared);
}

void print_json(const EvaluateArguments& arguments, const SavedRun& saved, const Totals& own,
                const std::vector<OtherFile>& others) {
  Value result{Object{}};
  result.set("run", arguments.run);
  result.set("split", arguments.split);
  result.set("images", static_cast<int64_t>(own.samples));
  result.set("loss", own.loss);
  result.set("accuracy", own.accuracy);
  result.set("epoch", saved.epoch);
  if (!others.empty()) {
    Array with;
    for (const OtherFile& other : others) {
      Value entry{Object{}};
      entry.set("file", other.file);
      entry.set("name", other.experiment.name);
      if (other.reason.empty()) {
        entry.set("loss", other.totals.loss);
        entry.set("accuracy", other.totals.accuracy);
      } else {
        entry.set("reason", other.reason);
      }
      with.push_back(std::move(entry));
    }
    result.set("with", std::move(with));
  }
  fmt::print("{}\n", to_json(result));
}

void print_text(const EvaluateArguments& arguments, const SavedRun& saved, const Session& session,
                const Totals& own, const std::vector<OtherFile>& others) {
  const auto percent = [](const Totals& totals) {
    return fmt::format("{:.2f} %", 100 * totals.accuracy);
  };
  const auto loss = [](const Totals& totals) { return fmt::format("{:.4f}", totals.loss); };
  fmt::print("split     {} ({} images)\n", arguments.split,
             with_commas(static_cast<int64_t>(own.samples)));
  if (others.empty()) {
    fmt::print("accuracy  {}\nloss      {}\n", percent(own), loss(own));
  }
  fmt::print("weights   {} (epoch {})\n", saved.weights, saved.epoch);
  if (others.empty()) return;
  Table table({{"preprocessing of", Table::Align::left, true},
               {"name", Table::Align::left, true},
               {"accuracy", Table::Align::right},
               {"loss", Table::Align::right}});
  table.add({"as trained", session.experiment.name, percent(own), loss(own)});
  for (const OtherFile& other : others) {
    table.add({other.file, other.experiment.name, percent(other.totals), loss(other.totals)});
  }
  fmt::print("\n{}", table.text());
}

int evaluate(EvaluateArguments& arguments) {
  const SavedRun saved = load_run(arguments.run);
  arguments.shared.file = saved.config;
  const Session session = open_session(arguments.shared);
  std::vector<OtherFile> others = read_others(arguments, session);
  const Split split = load_split(arguments, saved, session.experiment);
  const ImageSet& images = arguments.split == "test" ? split.test : split.validation;
  if (images.shape.n == 0)
    fail(ExitCode::data, "{}: the {} split has no images", arguments.run, arguments.split);
  const auto under = [&](const Experiment& preprocessing) {
    return evaluate_under(preprocessing, session, saved, split.train, images);
  };
  const Totals own = under(session.experiment);
  for (OtherFile& other : others) {
    if (!other.reason.empty()) continue;
    const bool alike = preprocess_alike(other.experiment, session.experiment);
    other.totals = alike ? own : under(other.experiment);
  }
  if (arguments.shared.json) {
    print_json(arguments, saved, own, others);
  } else {
    print_text(arguments, saved, session, own, others);
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
  arguments.list("--with", options->with,
                 {.doc = "Also evaluate under the preprocessing of this experiment file; data, "
                         "split, seed and network are the run's own. May be repeated",
                  .placeholder = "FILE"});
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return evaluate(*options); };
}

}  // namespace engine
