// engine summary: the network as a table, and the memory that training it takes.

#include "apps/graph_report.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/target_report.h"
#include "apps/verbs.h"
#include "engine/core/value.h"

namespace engine {
namespace {

Value shape_value(const Shape& shape) {
  return Array{shape.h, shape.w, shape.c};
}

Value memory_value(const MemoryPlan& plan) {
  Value memory{Object{}};
  memory.set("parameters", static_cast<int64_t>(plan.parameters));
  memory.set("gradients", static_cast<int64_t>(plan.gradients));
  memory.set("moments", static_cast<int64_t>(plan.moments));
  memory.set("activations", static_cast<int64_t>(plan.activations));
  memory.set("activations_without_reuse", static_cast<int64_t>(plan.without_reuse));
  memory.set("total", static_cast<int64_t>(plan.total()));
  return memory;
}

void print_json(const Experiment& experiment, const NetworkReport& report, const MemoryPlan& plan,
                const std::optional<TargetReport>& target) {
  Array nodes;
  for (const NodeReport& node : report.nodes) {
    Value row{Object{}};
    row.set("name", node.name);
    row.set("op", node.op);
    row.set("attributes", node.attributes);
    row.set("block", node.block);
    row.set("output", shape_value(node.output));
    row.set("parameters", node.parameters);
    row.set("state", node.state);
    row.set("multiply_adds", node.multiply_adds);
    row.set("bytes", node.bytes);
    nodes.push_back(std::move(row));
  }
  Value result{Object{}};
  result.set("name", experiment.name);
  result.set("input", shape_value(report.input));
  result.set("classes", report.classes);
  result.set("nodes", std::move(nodes));
  result.set("parameters", report.parameters());
  result.set("state", report.state());
  result.set("multiply_adds", report.multiply_adds());
  result.set("batch_size", experiment.train.batch_size);
  result.set("memory", memory_value(plan));
  if (target) result.set("launches", launches_value(*target));
  fmt::print("{}\n", to_json(result));
}

std::string count_or_blank(int64_t number) {
  return number == 0 ? "" : with_commas(number);
}

void print_network(const NetworkReport& report) {
  Table table({{"node", Table::Align::left, true},
               {"op", Table::Align::left, true},
               {"output", Table::Align::right},
               {"params", Table::Align::right},
               {"mul-adds", Table::Align::right},
               {"bytes", Table::Align::right}});
  table.add({"(input)", "", to_string(report.input), "", "",
             short_bytes(static_cast<uint64_t>(report.input.elements()) * sizeof(float))});
  for (const NodeReport& node : report.nodes) {
    table.add({node.name, node.attributes.empty() ? node.op : node.op + " " + node.attributes,
               to_string(node.output), count_or_blank(node.parameters),
               node.multiply_adds ? short_count(node.multiply_adds) : "",
               short_bytes(static_cast<uint64_t>(node.bytes))});
  }
  table.add_rule();
  table.add({"total", "", "", with_commas(report.parameters()), short_count(report.multiply_adds()),
             short_bytes(static_cast<uint64_t>(report.bytes()))});
  fmt::print("{}", table.text());
  fmt::print("Output, multiply-adds and bytes (of the output, float32) are for one image.\n");
  if (report.state())
    fmt::print("Besides: {} values of state that is not trained.\n", with_commas(report.state()));
}

void print_memory(const MemoryPlan& plan, int64_t batch) {
  Table table({{fmt::format("memory, batch {}", batch)}, {"bytes", Table::Align::right}});
  table.add({"parameters", short_bytes(plan.parameters)});
  table.add({"gradients", short_bytes(plan.gradients)});
  table.add({"optimizer moments", short_bytes(plan.moments)});
  table.add(
      {fmt::format("activations and workspace ({} without reuse)", short_bytes(plan.without_reuse)),
       short_bytes(plan.activations)});
  table.add_rule();
  table.add({"total", short_bytes(plan.total())});
  fmt::print("\n{}", table.text());
}

void print_launches(const TargetReport& report, const std::string& target) {
  if (report.step.empty()) {
    fmt::print("\nNo training step: the network does not end in the data's classes.\n");
    return;
  }
  fmt::print("\nOne training step on {}, launch by launch:\n{}", target, launches_text(report));
}

int summary(const SharedOptions& options) {
  const Session session = open_session(options);
  const SourceInfo info = source_info(session.experiment, options);
  const NetworkReport report =
      describe_network(session.experiment, session.machine.registry, info.image, info.classes);
  std::optional<TargetReport> target;
  if (session.machine.list) target = report_target(session, info, options.without_passes);
  ExecutorSetup setup = executor_setup(session, report.input, info.classes, nullptr, true);
  setup.without_passes = options.without_passes;
  const MemoryPlan plan = target ? target->memory : Executor(setup).memory();
  if (options.json) {
    print_json(session.experiment, report, plan, target);
  } else {
    print_network(report);
    print_memory(plan, session.experiment.train.batch_size);
    if (target) print_launches(*target, options.target);
  }
  return 0;
}

}  // namespace

Action declare_summary(Arguments& arguments) {
  auto options = std::make_shared<SharedOptions>();
  add_file(arguments, *options);
  add_set(arguments, *options);
  add_machine(arguments, *options);
  arguments.text("--target", options->target,
                 {.doc = "Also list what a training step launches on a GPU that need not be there: "
                         "h100 or h200",
                  .placeholder = "GPU",
                  .hints = {"h100", "h200"}});
  add_passes(arguments, *options);
  add_data_dir(arguments, *options);
  add_json(arguments, *options);
  return [options] { return summary(*options); };
}

}  // namespace engine
