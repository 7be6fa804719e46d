// engine bench: how fast an experiment trains, evaluates and preprocesses here. Each figure is the
// median of several windows after a warm-up.

#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/measured_network.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/value.h"
#include "engine/report/run_report.h"

namespace engine {
namespace {

struct BenchArguments : MeasuringOptions {
  int64_t windows = 5;
  double seconds = 1;
};

struct Rate {
  double median = 0, least = 0, most = 0;  ///< images a second
};

struct BenchResult {
  int64_t images = 0;
  Rate training, evaluation, preprocessing;
  double step_ms = 0;
  std::vector<NodeTime> nodes;  ///< for --json
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Calls work(), which returns the images it did, again and again: one window to warm up, then the
/// windows that count.
template <class Work>
Rate measure(const BenchArguments& arguments, const Work& work) {
  std::vector<double> rates;
  for (int64_t window = -1; window < arguments.windows; ++window) {
    const double start = now();
    int64_t images = 0;
    do images += work();
    while (now() - start < arguments.seconds);
    if (window >= 0) rates.push_back(static_cast<double>(images) / (now() - start));
  }
  std::sort(rates.begin(), rates.end());
  const size_t half = rates.size() / 2;
  const double median = rates.size() % 2 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
  return {median, rates.front(), rates.back()};
}

BenchResult measure_all(const BenchArguments& arguments, const Session& session) {
  const int64_t batch = session.experiment.train.batch_size;
  MeasuredNetwork network(session, arguments.shared);
  BenchResult result;
  result.images = network.images();
  result.preprocessing = measure(arguments, [&] {
    network.preprocess();
    return network.images();
  });
  result.training = measure(arguments, [&] {
    network.train(1);
    return batch;
  });
  result.step_ms = 1000.0 * static_cast<double>(batch) / result.training.median;
  result.evaluation =
      measure(arguments, [&] { return static_cast<int64_t>(network.evaluate().samples); });
  if (!arguments.shared.json) return result;
  const int repetitions =
      std::clamp(static_cast<int>(1000 * arguments.seconds / result.step_ms), 3, 1000);
  result.nodes = network.time_nodes(repetitions);
  return result;
}

Value rate_value(const Rate& rate) {
  Value value{Object{}};
  value.set("images_per_second", rate.median);
  value.set("least", rate.least);
  value.set("most", rate.most);
  return value;
}

void print_json(const Session& session, const BenchResult& result) {
  Value value = conditions_value(session);
  value.set("images", result.images);
  value.set("images_per_second", result.training.median);
  value.set("milliseconds_per_step", result.step_ms);
  value.set("training", rate_value(result.training));
  value.set("evaluation", rate_value(result.evaluation));
  value.set("preprocessing", rate_value(result.preprocessing));
  value.set("nodes", node_time_values(result.nodes));
  fmt::print("{}\n", to_json(value));
}

std::string whole(double rate) {
  return with_commas(std::llround(rate));
}

void print_tables(const Session& session, const BenchResult& result) {
  print_conditions(session);
  Table rates({{"images/s"},
               {"median", Table::Align::right},
               {"least", Table::Align::right},
               {"most", Table::Align::right}});
  const auto add = [&rates](const char* name, const Rate& rate) {
    rates.add({name, whole(rate.median), whole(rate.least), whole(rate.most)});
  };
  add("training", result.training);
  add("evaluation", result.evaluation);
  add("preprocessing", result.preprocessing);
  fmt::print("{}\na training step takes {:.3f} ms; 'engine profile' shows where they go\n",
             rates.text(), result.step_ms);
}

int bench(const BenchArguments& arguments) {
  const Session session = open_measured(arguments);
  const BenchResult result = measure_all(arguments, session);
  arguments.shared.json ? print_json(session, result) : print_tables(session, result);
  return 0;
}

}  // namespace

Action declare_bench(Arguments& arguments) {
  auto options = std::make_shared<BenchArguments>();
  add_measured(arguments, *options);
  arguments.integer("--windows", options->windows,
                    {.doc = "Windows to take the median of (default: 5)",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 1000});
  arguments.number("--seconds", options->seconds,
                   {.doc = "Length of a window (default: 1)",
                    .placeholder = "S",
                    .minimum = 0.001,
                    .maximum = 3600});
  add_conditions(arguments, *options);
  return [options] { return bench(*options); };
}

}  // namespace engine
