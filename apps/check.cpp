// engine check: everything that is wrong with experiment files, without data and without training.

#include "apps/console.h"
#include "apps/graph_report.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/target_report.h"
#include "apps/verbs.h"
#include "engine/core/value.h"
#include "kernels/register.h"

namespace engine {
namespace {

struct CheckArguments {
  SharedOptions shared;
  std::vector<std::string> files;
  std::string target;
};

/// What is known of a file that is good.
struct Checked {
  size_t nodes = 0;
  int64_t parameters = 0, batch = 0, evaluation_batch = 0;
  Precision precision = Precision::fp32;
  std::string libraries;
  std::optional<MemoryPlan> memory;    ///< with --target
  std::optional<TargetReport> report;  ///< with a target that is only described
};

Checked check_file(const SharedOptions& shared, const std::string& file, bool plan) {
  Session session;
  SharedOptions options = shared;
  options.file = file;
  session.machine = open_machine(options);
  const Registry& registry = session.machine.registry;
  session.experiment = open_experiment(options, registry);
  const SourceInfo info = source_info(session.experiment, options);
  const NetworkReport network =
      describe_network(session.experiment, registry, info.image, info.classes);
  Checked checked{.nodes = network.nodes.size(),
                  .parameters = network.parameters(),
                  .batch = session.experiment.train.batch_size,
                  .evaluation_batch = session.experiment.train.evaluation_batch_size,
                  .precision = session.experiment.precision,
                  .libraries = session.machine.libraries};
  if (session.machine.list) {
    checked.report = report_target(session, info);
    checked.memory = checked.report->memory;
  } else if (plan) {
    make_pipeline(session, info.image);
    checked.memory =
        Executor(executor_setup(session, network.input, info.classes, nullptr, true)).memory();
  }
  return checked;
}

void print_passes(const Checked& checked, const std::string& program, int64_t batch,
                  const std::string& target) {
  Table table({{"node", Table::Align::left, true},
               {"pass"},
               {"engine or kernels", Table::Align::left, true},
               {"workspace", Table::Align::right},
               {"note", Table::Align::left, true}});
  for (const PassReport& row : checked.report->passes) {
    if (row.program != program) continue;
    // An engine's knobs are for --json: here they would take the room of the nodes' names.
    table.add({row.node, row.pass, row.engine.substr(0, row.engine.find('_')) + row.kernels,
               row.workspace_bytes ? short_bytes(row.workspace_bytes) : "", row.note});
  }
  fmt::print("\n{} on {}, {}, batch {}\n{}", program, target, to_string(checked.precision), batch,
             table.text());
}

void print_checked(const CheckArguments& arguments, const std::string& file,
                   const Checked& checked) {
  std::string text =
      fmt::format("{} nodes, {} parameters", checked.nodes, with_commas(checked.parameters));
  if (checked.memory) {
    text +=
        fmt::format(", planned for {}: {}", arguments.target, short_bytes(checked.memory->total()));
  }
  fmt::print("{}: ok ({})\n", file, text);
  if (!checked.report) return;
  print_passes(checked, "training", checked.batch, arguments.target);
  print_passes(checked, "evaluation", checked.evaluation_batch, arguments.target);
  if (checked.report->step.empty()) {
    fmt::print("\nNo training step: the network does not end in the data's classes.\n");
  } else {
    fmt::print("\n{} launches a training step\n", checked.report->step.size());
  }
}

Value checked_value(const CheckArguments& arguments, const std::string& file,
                    const Checked& checked) {
  Value value{Object{}};
  value.set("file", file);
  value.set("nodes", static_cast<int64_t>(checked.nodes));
  value.set("parameters", checked.parameters);
  value.set("batch_size", checked.batch);
  value.set("evaluation_batch_size", checked.evaluation_batch);
  value.set("precision", to_string(checked.precision));
  if (!checked.memory) return value;
  value.set("target", arguments.target);
  value.set("libraries", checked.libraries);
  value.set("memory", static_cast<int64_t>(checked.memory->total()));
  if (!checked.report) return value;
  value.set("launches", static_cast<int64_t>(checked.report->step.size()));
  Array passes;
  for (const PassReport& row : checked.report->passes) {
    Value pass{Object{}};
    pass.set("program", row.program);
    pass.set("node", row.node);
    pass.set("pass", row.pass);
    if (row.engine.empty()) {
      pass.set("kernels", row.kernels);
    } else {
      pass.set("engine", row.engine);
      pass.set("workspace", static_cast<int64_t>(row.workspace_bytes));
      pass.set("note", row.note);
    }
    passes.push_back(std::move(pass));
  }
  value.set("passes", std::move(passes));
  return value;
}

int check(CheckArguments& arguments) {
  SharedOptions& shared = arguments.shared;
  const std::string& target = arguments.target;
  const bool runs_here = target == "cpu" || target.starts_with("cuda");
  shared.device = target.empty() ? "cpu" : runs_here ? target : "auto";
  if (!runs_here) shared.target = target;
  if (!target.empty()) open_machine(shared);
  ExitCode worst = ExitCode::ok;
  Array all;
  for (const std::string& file : arguments.files) {
    try {
      const Checked checked = check_file(shared, file, !target.empty());
      if (shared.json) {
        all.push_back(checked_value(arguments, file, checked));
      } else {
        print_checked(arguments, file, checked);
      }
      std::fflush(stdout);
    } catch (const Error& error) {
      if (worst == ExitCode::ok) worst = error.code();
      print_error(error.what());
    }
  }
  if (shared.json) fmt::print("{}\n", to_json(all));
  return static_cast<int>(worst);
}

}  // namespace

Action declare_check(Arguments& arguments) {
  auto options = std::make_shared<CheckArguments>();
  arguments.list("FILE", options->files, {.doc = "Experiment files", .required = true});
  arguments.text(
      "--target", options->target,
      {.doc = "Also plan every node for a device, without data: cpu, cuda, or a GPU that "
              "need not be there: h100 or h200",
       .placeholder = "DEVICE",
       .hints = {"cpu", "cuda", "h100", "h200"}});
  add_set(arguments, options->shared);
  add_data_dir(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return check(*options); };
}

}  // namespace engine
