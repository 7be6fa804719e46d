// engine profile: where the time of a training step goes. Whole steps and steps node by node are
// timed in turn, so that a machine that gets slower meanwhile is slower for both.

#include <algorithm>
#include <chrono>
#include <map>

#include "apps/graph_report.h"
#include "apps/measured_network.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/value.h"
#include "engine/report/run_report.h"

namespace engine {
namespace {

struct ProfileArguments : MeasuringOptions {
  double seconds = 5;
};

/// Milliseconds; means of a step.
struct ProfiledNode {
  NodeTime time;
  double gflops_per_second = 0;  ///< forward; 0: it has no arithmetic that counts
  double total() const { return time.forward_ms + time.backward_ms; }
};

struct Profile {
  double step_ms = 0, nodes_ms = 0;
  int64_t steps = 0;  ///< as many whole ones as node by node
  std::vector<ProfiledNode> nodes;
};

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void add(std::vector<NodeTime>& sums, const std::vector<NodeTime>& times, int64_t steps) {
  if (sums.empty()) {
    sums = times;
    for (NodeTime& sum : sums) sum.forward_ms = sum.backward_ms = 0;
  }
  for (size_t i = 0; i < times.size(); ++i) {
    sums[i].forward_ms += times[i].forward_ms * static_cast<double>(steps);
    sums[i].backward_ms += times[i].backward_ms * static_cast<double>(steps);
  }
}

/// Floating-point operations of a forward pass, by node.
std::map<std::string, double> operations(const Session& session, const SourceInfo& info) {
  const NetworkReport report =
      describe_network(session.experiment, session.machine.registry, info.image, info.classes);
  std::map<std::string, double> flop;
  for (const NodeReport& node : report.nodes) {
    flop[node.name] = 2 * static_cast<double>(node.multiply_adds) *
                      static_cast<double>(session.experiment.train.batch_size);
  }
  return flop;
}

Profile measure(const ProfileArguments& arguments, const Session& session) {
  constexpr int kWarmUp = 3, kRounds = 10;
  MeasuredNetwork network(session, arguments.shared);
  network.train(kWarmUp);
  const auto first = Clock::now();
  network.train(1);
  const double guess = std::max(milliseconds_since(first), 1e-3);
  const auto steps =
      static_cast<int>(std::clamp(1000 * arguments.seconds / (2 * kRounds * guess), 1.0, 1e5));

  Profile profile;
  std::vector<NodeTime> sums;
  const auto start = Clock::now();
  do {
    network.train(1);  // begins an epoch, which is no part of a step
    const auto begin = Clock::now();
    network.train(steps);
    profile.step_ms += milliseconds_since(begin);
    add(sums, network.time_nodes(steps), steps);
    profile.steps += steps;
  } while (milliseconds_since(start) < 1000 * arguments.seconds);

  const auto count = static_cast<double>(profile.steps);
  const std::map<std::string, double> flop = operations(session, network.source());
  profile.step_ms /= count;
  for (NodeTime& sum : sums) {
    sum.forward_ms /= count;
    sum.backward_ms /= count;
    ProfiledNode node{std::move(sum)};
    const auto found = flop.find(node.time.node);
    if (found != flop.end() && node.time.forward_ms > 0)
      node.gflops_per_second = found->second / node.time.forward_ms / 1e6;
    profile.nodes_ms += node.total();
    profile.nodes.push_back(std::move(node));
  }
  std::stable_sort(profile.nodes.begin(), profile.nodes.end(),
                   [](const auto& a, const auto& b) { return a.total() > b.total(); });
  return profile;
}

struct OpTime {
  std::string op;
  int64_t nodes = 0;
  double ms = 0;
};

std::vector<OpTime> by_op(const Profile& profile) {
  std::vector<OpTime> ops;
  for (const ProfiledNode& node : profile.nodes) {
    auto found = std::find_if(ops.begin(), ops.end(),
                              [&](const OpTime& each) { return each.op == node.time.op; });
    if (found == ops.end()) found = ops.insert(ops.end(), {node.time.op});
    ++found->nodes;
    found->ms += node.total();
  }
  std::stable_sort(ops.begin(), ops.end(),
                   [](const auto& a, const auto& b) { return a.ms > b.ms; });
  return ops;
}

void print_json(const Session& session, const Profile& profile) {
  Value value = conditions_value(session);
  value.set("steps", profile.steps);
  value.set("milliseconds_per_step", profile.step_ms);
  value.set("milliseconds_of_nodes", profile.nodes_ms);
  std::vector<NodeTime> times;
  for (const ProfiledNode& node : profile.nodes) times.push_back(node.time);
  Array nodes = node_time_values(times), ops;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const ProfiledNode& node = profile.nodes[i];
    nodes[i].set("share", node.total() / profile.nodes_ms);
    if (node.gflops_per_second > 0) nodes[i].set("forward_gflops", node.gflops_per_second);
  }
  for (const OpTime& op : by_op(profile)) {
    Value entry{Object{}};
    entry.set("op", op.op);
    entry.set("nodes", op.nodes);
    entry.set("ms", op.ms);
    entry.set("share", op.ms / profile.nodes_ms);
    ops.push_back(std::move(entry));
  }
  value.set("nodes", std::move(nodes));
  value.set("ops", std::move(ops));
  fmt::print("{}\n", to_json(value));
}

/// Nothing for what takes no time at all: that phase does not exist.
std::string ms(double value) {
  return value > 0 ? fmt::format("{:.3f}", value) : "";
}

std::string percent(double part, double whole) {
  return fmt::format("{:.1f} %", 100 * part / whole);
}

std::string runs_as(const NodeTime& time) {
  return time.implementation.empty() ? time.op : time.op + ", " + time.implementation;
}

void print_tables(const Session& session, const Profile& profile) {
  print_conditions(session, fmt::format(", {} steps", profile.steps));
  Table nodes({{"node", Table::Align::left, true},
               {"runs as", Table::Align::left, true},
               {"fwd ms", Table::Align::right},
               {"bwd ms", Table::Align::right},
               {"share", Table::Align::right},
               {"GFLOP/s", Table::Align::right}});
  for (const ProfiledNode& node : profile.nodes) {
    const double speed = node.gflops_per_second;
    nodes.add({node.time.node, runs_as(node.time), ms(node.time.forward_ms),
               ms(node.time.backward_ms), percent(node.total(), profile.nodes_ms),
               speed > 0 ? fmt::format("{:.1f}", speed) : ""});
  }
  Table ops({{"op", Table::Align::left, true},
             {"nodes", Table::Align::right},
             {"ms", Table::Align::right},
             {"share", Table::Align::right}});
  for (const OpTime& op : by_op(profile)) {
    ops.add({op.op, std::to_string(op.nodes), ms(op.ms), percent(op.ms, profile.nodes_ms)});
  }
  fmt::print("{}\n{}\nnodes together {} ms, a training step {} ms: {} of it\n", nodes.text(),
             ops.text(), ms(profile.nodes_ms), ms(profile.step_ms),
             percent(profile.nodes_ms, profile.step_ms));
}

int profile(const ProfileArguments& arguments) {
  const Session session = open_measured(arguments);
  const Profile result = measure(arguments, session);
  arguments.shared.json ? print_json(session, result) : print_tables(session, result);
  return 0;
}

}  // namespace

Action declare_profile(Arguments& arguments) {
  auto options = std::make_shared<ProfileArguments>();
  add_measured(arguments, *options);
  arguments.number("--seconds", options->seconds,
                   {.doc = "How long to measure (default: 5)",
                    .placeholder = "S",
                    .minimum = 0.001,
                    .maximum = 3600});
  add_conditions(arguments, *options);
  return [options] { return profile(*options); };
}

}  // namespace engine
