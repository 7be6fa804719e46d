// engine check: everything that is wrong with experiment files, without data and without training.

#include "apps/console.h"
#include "apps/graph_report.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "kernels/register.h"

namespace engine {
namespace {

struct CheckArguments {
  SharedOptions shared;
  std::vector<std::string> files;
  std::string target;
};

std::string check_file(const CheckArguments& arguments, const std::string& file) {
  Session session;
  SharedOptions options = arguments.shared;
  options.file = file;
  session.machine = open_machine(options);
  const Registry& registry = session.machine.registry;
  session.experiment = open_experiment(options, registry);
  const SourceInfo info = source_info(session.experiment, options);
  const NetworkReport report =
      describe_network(session.experiment, registry, info.image, info.classes);
  std::string text =
      fmt::format("{} nodes, {} parameters", report.nodes.size(), with_commas(report.parameters()));
  if (!arguments.target.empty()) {
    make_pipeline(session, info.image);
    const MemoryPlan plan =
        Executor(executor_setup(session, report.input, info.classes, nullptr, true)).memory();
    text += fmt::format(
        ", planned for {}: {}", arguments.target,
        short_bytes(plan.parameters + plan.gradients + plan.moments + plan.activations));
  }
  return text;
}

int check(CheckArguments& arguments) {
  arguments.shared.device = arguments.target.empty() ? "cpu" : arguments.target;
  if (!arguments.target.empty()) open_machine(arguments.shared);
  ExitCode worst = ExitCode::ok;
  for (const std::string& file : arguments.files) {
    try {
      const std::string text = check_file(arguments, file);
      fmt::print("{}: ok ({})\n", file, text);
      std::fflush(stdout);
    } catch (const Error& error) {
      if (worst == ExitCode::ok) worst = error.code();
      print_error(error.what());
    }
  }
  return static_cast<int>(worst);
}

}  // namespace

Action declare_check(Arguments& arguments) {
  auto options = std::make_shared<CheckArguments>();
  arguments.list("FILE", options->files, {.doc = "Experiment files", .required = true});
  arguments.text("--target", options->target,
                 {.doc = "Also plan every node for a device, without data: cpu or cuda",
                  .placeholder = "DEVICE"});
  add_set(arguments, options->shared);
  add_data_dir(arguments, options->shared);
  return [options] { return check(*options); };
}

}  // namespace engine
