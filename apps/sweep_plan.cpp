// engine sweep plan: which points a sweep has, and what they will take.

#include <algorithm>
#include <filesystem>
#include <map>

#include "apps/console.h"
#include "apps/sweep_session.h"
#include "apps/table.h"
#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/sweep/child_process.h"

namespace engine {
namespace {

struct PlanArguments : SweepArguments {
  bool no_measure = false;
};

/// What one run takes.
struct Estimate {
  double seconds = 0;  ///< at most: all epochs; 0: not known
  double rate = 0;     ///< training images a second
  int64_t images = 0;  ///< training images; 0: not known
  uint64_t bytes = 0;  ///< of its run folder
};

/// Networks and preprocessing alike train alike fast.
std::string speed_key(const Experiment& experiment) {
  std::string key;
  for (const char* part : {"preprocess", "network", "precision"})
    if (const Value* value = experiment.resolved.find(part)) key += to_json(*value, -1);
  return key + std::to_string(experiment.train.batch_size);
}

struct Rates {
  double training = 0, evaluation = 0;
};

/// From `engine bench` as a process of its own: this one opens no device.
Rates measured(const Configuration& configuration, const SharedOptions& shared) {
  std::vector<std::string> words{this_program(), "bench", configuration.file};
  for (const std::string& set : configuration.set) words.insert(words.end(), {"--set", set});
  words.insert(words.end(), {"--json", "--windows", "1", "--seconds", "0.5", "--device",
                             shared.device, "--data-dir", resolve_data_dir(shared.data_dir)});
  if (shared.threads > 0) words.insert(words.end(), {"--threads", std::to_string(shared.threads)});
  const ProgramOutput output = run_program(words);
  if (!output.end.ok())
    fail(static_cast<ExitCode>(output.end.code ? output.end.code : 70), "{}: {}",
         configuration.name, output.err);
  const Value result = parse_json_or_throw(output.out, "engine bench", ExitCode::internal);
  return {result.find("images_per_second")->number(),
          result.find("evaluation")->find("images_per_second")->number()};
}

/// Weights as best, last and state (with moments and best), each with the one before; and what is
/// written for people.
uint64_t run_bytes(const Experiment& experiment, int64_t parameters) {
  constexpr uint64_t kCopies = 2 * (1 + 1 + 4), kPages = 1'500'000, kRest = 20'000;
  return kCopies * 4 * static_cast<uint64_t>(parameters) + (experiment.log.report ? kPages : kRest);
}

class Planner {
 public:
  Planner(const SweepSession& session, const PlanArguments& arguments)
      : session_(session), arguments_(arguments) {}

  Estimate estimate(size_t index) {
    const Configuration& configuration = session_.sweep.configurations[index];
    const Experiment& experiment = *configuration.experiment;
    Estimate estimate;
    estimate.bytes = run_bytes(experiment, session_.parameters[index]);
    estimate.images = images_of(experiment);
    if (arguments_.no_measure || estimate.images == 0) return estimate;
    const std::string key = speed_key(experiment);
    if (!rates_.contains(key)) rates_[key] = measured(configuration, arguments_.shared);
    const Rates& rates = rates_[key];
    const double share = experiment.data.validation;
    const auto images = static_cast<double>(estimate.images);
    estimate.rate = rates.training;
    estimate.seconds = static_cast<double>(experiment.train.epochs) *
                       (images * (1 - share) / rates.training + images * share / rates.evaluation);
    return estimate;
  }

 private:
  int64_t images_of(const Experiment& experiment) {
    const std::string key = to_json(*experiment.resolved.find("data"), -1);
    if (images_.contains(key)) return images_[key];
    try {
      images_[key] = count_training_images(experiment.data, data_options(arguments_.shared));
    } catch (const Error& error) {
      if (error.code() != ExitCode::data) throw;
      images_[key] = 0;
    }
    return images_[key];
  }

  const SweepSession& session_;
  const PlanArguments& arguments_;
  std::map<std::string, Rates> rates_;
  std::map<std::string, int64_t> images_;
};

struct Plan {
  std::vector<Estimate> estimates;  ///< of the configurations
  double seconds = 0;               ///< of all points one after another; 0: not known
  uint64_t bytes = 0;
  size_t done = 0, failed = 0;
};

Plan make_plan(const SweepSession& session, const PlanArguments& arguments) {
  Plan plan;
  Planner planner(session, arguments);
  for (size_t i = 0; i < session.sweep.configurations.size(); ++i)
    plan.estimates.push_back(planner.estimate(i));
  bool known = true;
  for (const SweepPoint& point : session.sweep.points) {
    const Estimate& estimate = plan.estimates[point.configuration];
    known = known && estimate.seconds > 0;
    plan.seconds += estimate.seconds;
    plan.bytes += estimate.bytes;
  }
  if (!known) plan.seconds = 0;
  const SweepStore store(real_files(), session.folder);
  for (const SweepPoint& point : session.sweep.points) {
    if (const auto record = store.record(point))
      ++(record->state == Record::State::done ? plan.done : plan.failed);
  }
  return plan;
}

std::string time_text(double seconds) {
  return seconds > 0 ? short_seconds(seconds) : "?";
}

/// The first configurations. A column that would say nothing is not there.
std::string configurations_text(const Sweep& sweep, const Plan& plan, size_t shown) {
  const bool timed = std::any_of(plan.estimates.begin(), plan.estimates.end(),
                                 [](const Estimate& estimate) { return estimate.seconds > 0; });
  const bool chained = sweep.points.back().level > 0;
  std::vector<Table::Column> columns{{"configuration", Table::Align::left, true}};
  if (chained) columns.push_back({"starts from", Table::Align::left, true});
  columns.push_back({"experiment", Table::Align::left, true});
  columns.push_back({"epochs", Table::Align::right});
  if (timed) columns.push_back({"images/s", Table::Align::right});
  if (timed) columns.push_back({"at most", Table::Align::right});
  Table table(columns);
  for (size_t i = 0; i < std::min(shown, sweep.configurations.size()); ++i) {
    const Configuration& configuration = sweep.configurations[i];
    const Estimate& estimate = plan.estimates[i];
    std::vector<std::string> cells{configuration.name};
    if (chained)
      cells.push_back(configuration.after ? sweep.configurations[*configuration.after].name : "");
    cells.push_back(configuration.file);
    cells.push_back(with_commas(configuration.experiment->train.epochs));
    if (timed)
      cells.push_back(estimate.rate > 0 ? with_commas(static_cast<int64_t>(estimate.rate)) : "?");
    if (timed) cells.push_back(time_text(estimate.seconds));
    table.add(std::move(cells));
  }
  return table.text();
}

void print_plan(const SweepSession& session, const Plan& plan) {
  const Sweep& sweep = session.sweep;
  constexpr size_t kShown = 40;
  fmt::print("{}", configurations_text(sweep, plan, kShown));
  if (sweep.configurations.size() > kShown)
    fmt::print("... and {} more\n",
               with_commas(static_cast<int64_t>(sweep.configurations.size() - kShown)));
  const auto count = [](size_t number) { return with_commas(static_cast<int64_t>(number)); };
  fmt::print("\npoints  {} = {} configurations x {} seeds\n", count(sweep.points.size()),
             count(sweep.configurations.size()),
             count(sweep.points.size() / sweep.configurations.size()));
  if (sweep.repeated_draws > 0)
    fmt::print("        {} draws had the values of another and were left out\n",
               count(sweep.repeated_draws));
  if (plan.seconds > 0)
    fmt::print("time    {} at most, one after another\n", time_text(plan.seconds));
  fmt::print("disk    {}\n", short_bytes(plan.bytes));
  fmt::print("folder  {}", session.folder);
  if (plan.done + plan.failed > 0)
    fmt::print(" ({} done, {} failed)", count(plan.done), count(plan.failed));
  fmt::print("\n");
}

void print_json(const SweepSession& session, const Plan& plan) {
  const Sweep& sweep = session.sweep;
  Value document{Object{}};
  document.set("name", sweep.file.name);
  document.set("folder", session.folder);
  Array configurations;
  for (size_t i = 0; i < sweep.configurations.size(); ++i) {
    const Configuration& configuration = sweep.configurations[i];
    Value entry{Object{}};
    entry.set("name", configuration.name);
    entry.set("file", configuration.file);
    entry.set("set", Array(configuration.set.begin(), configuration.set.end()));
    if (configuration.after) entry.set("after", sweep.configurations[*configuration.after].name);
    if (plan.estimates[i].seconds > 0) {
      entry.set("images_per_second", plan.estimates[i].rate);
      entry.set("seconds_at_most", plan.estimates[i].seconds);
    }
    entry.set("bytes", static_cast<int64_t>(plan.estimates[i].bytes));
    configurations.push_back(std::move(entry));
  }
  document.set("configurations", std::move(configurations));
  document.set("points", points_value(sweep));
  document.set("done", static_cast<int64_t>(plan.done));
  document.set("failed", static_cast<int64_t>(plan.failed));
  if (plan.seconds > 0) document.set("seconds_at_most", plan.seconds);
  document.set("bytes", static_cast<int64_t>(plan.bytes));
  fmt::print("{}\n", to_json(document));
}

int plan(const PlanArguments& arguments) {
  const SweepSession session = open_sweep(arguments);
  const Plan made = make_plan(session, arguments);
  arguments.shared.json ? print_json(session, made) : print_plan(session, made);
  return 0;
}

}  // namespace

Action declare_sweep_plan(Arguments& arguments) {
  auto options = std::make_shared<PlanArguments>();
  add_sweep(arguments, *options);
  arguments.flag("--no-measure", options->no_measure,
                 {.doc = "Do not train a little to estimate the time"});
  add_machine(arguments, options->shared);
  add_data_dir(arguments, options->shared);
  arguments.footer(
      "Checks every point. The time is of all epochs, from about a second of training for each "
      "network; early stopping makes it less.");
  return [options] { return plan(*options); };
}

}  // namespace engine
