#include "apps/sweep_session.h"

#include <algorithm>

#include "apps/graph_report.h"
#include "apps/session.h"
#include "engine/core/error.h"
#include "kernels/register.h"

namespace engine {
namespace {

/// How many parameters each configuration's network has. Throws Error (experiment) for networks
/// that do not fit their images: each finding once, with the first configuration that has it.
std::vector<int64_t> check_shapes(const SweepSession& session, const SharedOptions& options) {
  std::vector<int64_t> parameters;
  std::vector<std::string> findings, seen;
  std::string last_data;
  SourceInfo info;
  for (const Configuration& configuration : session.sweep.configurations) {
    const Experiment& experiment = *configuration.experiment;
    const std::string data = to_json(*experiment.resolved.find("data"), -1);
    if (data != last_data) info = source_info(experiment, options);
    last_data = data;
    try {
      parameters.push_back(
          describe_network(experiment, session.registry, info.image, info.classes).parameters());
    } catch (const Error& error) {
      if (error.code() != ExitCode::experiment) throw;
      if (std::find(seen.begin(), seen.end(), error.what()) != seen.end()) continue;
      seen.emplace_back(error.what());
      findings.push_back(fmt::format("{}: {}", configuration.name, error.what()));
    }
  }
  if (!findings.empty())
    throw Error(ExitCode::experiment, fmt::format("{}", fmt::join(findings, "\n")));
  return parameters;
}

}  // namespace

void add_sweep(Arguments& arguments, SweepArguments& options) {
  arguments.text("FILE", options.shared.file, {.doc = "Sweep file", .required = true});
  arguments.text("--out", options.out,
                 {.doc = "The sweep's folder (default: sweeps/NAME)", .placeholder = "DIR"});
  arguments.list("--set", options.shared.set,
                 {.doc = "Override a key of every point's experiment: --set train.epochs=5. May be "
                         "repeated",
                  .placeholder = "KEY=VALUE"});
  add_json(arguments, options.shared);
}

SweepSession open_sweep(const SweepArguments& arguments) {
  SweepSession session{.registry = register_ops()};
  // A login node has no GPU: that bf16 and tf32 need one is for the runs to say.
  if (!session.registry.cuda_pipeline)
    session.registry.cuda_pipeline = session.registry.cpu_pipeline;
  session.sweep = expand_sweep(load_sweep_file(arguments.shared.file), {arguments.shared.set},
                               session.registry);
  session.folder = arguments.out.empty() ? "sweeps/" + session.sweep.file.name : arguments.out;
  session.parameters = check_shapes(session, arguments.shared);
  return session;
}

std::vector<PointResult> point_results(const Sweep& sweep, const SweepStore& store) {
  std::vector<PointResult> results;
  for (size_t i = 0; i < sweep.points.size(); ++i) {
    const auto claim = store.claim_state(sweep.points[i]);
    results.push_back(
        {.point = i, .record = store.record(sweep.points[i]), .running = claim && claim->alive});
  }
  return results;
}

}  // namespace engine
