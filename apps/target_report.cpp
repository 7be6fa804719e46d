#include "apps/target_report.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "apps/table.h"

namespace engine {
namespace {

/// The step that an epoch of one whole batch records.
void record_step(const Session& session, Executor& executor, const SourceInfo& source,
                 Pipeline& pipeline) {
  ImageSet image{.shape = source.image.with_batch(1)};
  image.pixels.resize(static_cast<size_t>(image.shape.elements()));
  image.labels = {0};
  image.samples = {0};
  pipeline.measure(image);
  const auto set = pipeline.prepare(image, true);
  const std::vector<int32_t> order(static_cast<size_t>(session.experiment.train.batch_size), 0);
  session.machine.list->launches.clear();
  executor.begin_epoch(*set, order, 0);
}

PassReport of_plan(const LaunchList::Plan& plan) {
  return {.program = plan.phase,
          .node = plan.node,
          .pass = plan.pass,
          .engine = plan.engine,
          .workspace_bytes = plan.workspace_bytes,
          .note = plan.note};
}

/// Training's passes in the order of its nodes: plans of those that have some, kernels of the
/// others.
std::vector<PassReport> training_passes(const LaunchList& list) {
  std::vector<PassReport> rows;
  std::set<std::string> done;
  for (const LaunchList::Launch& first : list.launches) {
    if (first.node.empty() || !done.insert(first.node).second) continue;
    const size_t before = rows.size();
    for (const LaunchList::Plan& plan : list.plans) {
      if (plan.phase == "training" && plan.node == first.node) rows.push_back(of_plan(plan));
    }
    if (rows.size() > before) continue;
    for (const LaunchList::Launch& launch : list.launches) {
      if (launch.node != first.node) continue;
      if (rows.size() > before && rows.back().pass == launch.phase) {
        rows.back().kernels += ", " + launch.kernel;
      } else {
        rows.push_back({.program = "training",
                        .node = launch.node,
                        .pass = launch.phase,
                        .kernels = launch.kernel});
      }
    }
  }
  return rows;
}

}  // namespace

double TargetReport::moved_bytes() const {
  return std::accumulate(
      step.begin(), step.end(), 0.0,
      [](double sum, const LaunchList::Launch& launch) { return sum + launch.bytes; });
}

TargetReport report_target(const Session& session, const SourceInfo& source,
                           const std::vector<std::string>& without_passes) {
  Device& device = *session.machine.device;
  LaunchList& list = *session.machine.list;
  list.plans.clear();
  const auto pipeline = make_pipeline(session, source.image);
  ExecutorSetup setup =
      executor_setup(session, pipeline->output(), source.classes, pipeline.get(), true);
  setup.without_passes = without_passes;
  device.begin_range("training");
  Executor executor(setup);
  device.end_range();
  const bool trains = executor.training_graph().loss != kGraphInput;
  if (trains) record_step(session, executor, source, *pipeline);
  device.begin_range("evaluation");
  TargetReport report{.memory = executor.memory()};
  device.end_range();
  if (trains) {
    report.passes = training_passes(list);
    report.step = list.launches;
  }
  for (const LaunchList::Plan& plan : list.plans) {
    if (!trains || plan.phase == "evaluation") report.passes.push_back(of_plan(plan));
  }
  return report;
}

Value launches_value(const TargetReport& report) {
  Array launches;
  for (const LaunchList::Launch& launch : report.step) {
    Value row{Object{}};
    row.set("node", launch.node);
    row.set("phase", launch.phase);
    row.set("lane", int64_t{launch.lane});
    row.set("kernel", launch.kernel);
    const auto sizes = [](const std::array<unsigned, 3>& three) {
      return Array{int64_t{three[0]}, int64_t{three[1]}, int64_t{three[2]}};
    };
    row.set("grid", sizes(launch.grid));
    row.set("block", sizes(launch.block));
    row.set("bytes", launch.bytes);
    launches.push_back(std::move(row));
  }
  return launches;
}

std::string launches_text(const TargetReport& report) {
  const bool lanes = std::any_of(report.step.begin(), report.step.end(),
                                 [](const LaunchList::Launch& launch) { return launch.lane > 0; });
  std::vector<Table::Column> columns{{"launch", Table::Align::right},
                                     {"node", Table::Align::left, true},
                                     {"phase"},
                                     {"kernel", Table::Align::left, true},
                                     {"MB moved", Table::Align::right}};
  if (lanes) columns.push_back({"lane", Table::Align::right});
  Table table(columns);
  const auto add = [&](size_t number, const LaunchList::Launch& launch) {
    std::vector<std::string> cells{
        std::to_string(number), launch.node, launch.phase, launch.kernel,
        launch.bytes ? fmt::format("{:.2f}", launch.bytes / 1e6) : std::string()};
    if (lanes) cells.push_back(launch.lane ? std::to_string(launch.lane) : std::string());
    table.add(std::move(cells));
  };
  for (size_t i = 0; i < report.step.size(); ++i) add(i + 1, report.step[i]);
  table.add_rule();
  add(report.step.size(), {.bytes = report.moved_bytes()});
  return table.text();
}

}  // namespace engine
