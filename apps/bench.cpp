// engine bench: how fast an experiment trains, evaluates and preprocesses here, and where the time
// goes.
//
// The images are random and lie in memory: speed does not depend on what they show, and no data set
// is needed. Each figure is the median of several windows after a warm-up.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/random.h"
#include "engine/core/value.h"
#include "engine/report/run_report.h"

namespace engine {
namespace {

struct BenchArguments {
  SharedOptions shared;
  int64_t batch = 0;
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
  std::vector<NodeTime> nodes;
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

/// Random images: about 64 MB of them, but at least two batches.
ImageSet random_images(Shape image, int64_t classes, int64_t batch) {
  const int64_t fit = (int64_t{64} << 20) / image.per_sample();
  const int64_t count = std::max(2 * batch, std::min<int64_t>(fit, 10000)) / batch * batch;
  ImageSet set;
  set.shape = image.with_batch(count);
  set.pixels.resize(static_cast<size_t>(set.shape.elements()));
  const RandomKey key{1, random_stream("bench", "images")};
  for (size_t i = 0; i < set.pixels.size(); i += 16) {
    const Philox4 words = key.draw(static_cast<uint32_t>(i / 16), 0, 0);
    for (size_t k = 0; k < 16 && i + k < set.pixels.size(); ++k) {
      set.pixels[i + k] = static_cast<uint8_t>(words.word[k / 4] >> (8 * (k % 4)));
    }
  }
  set.labels.resize(static_cast<size_t>(count));
  set.samples.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < set.labels.size(); ++i) {
    set.labels[i] = static_cast<int32_t>(static_cast<int64_t>(i) % classes);
    set.samples[i] = static_cast<int32_t>(i);
  }
  return set;
}

BenchResult measure_all(const BenchArguments& arguments, const Session& session) {
  const SourceInfo info = source_info(session.experiment, arguments.shared);
  const int64_t batch = session.experiment.train.batch_size;
  const ImageSet images = random_images(info.image, info.classes, batch);
  const auto pipeline = make_pipeline(session, info.image);
  pipeline->measure(images);
  BenchResult result;
  result.images = images.shape.n;
  result.preprocessing =
      measure(arguments, [&] { return pipeline->prepare(images, true)->count(); });

  const auto training_set = pipeline->prepare(images, true);
  const auto evaluation_set = pipeline->prepare(images, false);
  ExecutorSetup setup =
      executor_setup(session, pipeline->output(), info.classes, pipeline.get(), true);
  setup.without_passes = arguments.shared.without_passes;
  Executor executor(setup);
  executor.initialize();
  std::vector<int32_t> order(static_cast<size_t>(images.shape.n));
  std::iota(order.begin(), order.end(), 0);
  // A learning rate of zero keeps the weights what they are: random labels must not drive them to
  // NaN.
  const auto rate = [](uint64_t) { return 0.0; };
  int64_t left = 0;
  result.training = measure(arguments, [&]() -> int64_t {
    if (left < batch) {
      executor.begin_epoch(*training_set, order, 0);
      left = images.shape.n;
    }
    left -= batch;
    return executor.train(1, rate) * batch;
  });
  result.step_ms = 1000.0 * static_cast<double>(batch) / result.training.median;
  result.evaluation = measure(
      arguments, [&] { return static_cast<int64_t>(executor.evaluate(*evaluation_set).samples); });
  const int repetitions =
      std::clamp(static_cast<int>(1000 * arguments.seconds / result.step_ms), 3, 1000);
  executor.begin_epoch(*training_set, order, 0);
  result.nodes = executor.time_nodes(repetitions);
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
  const Environment environment = this_environment(session.machine);
  Value value{Object{}};
  value.set("experiment", session.experiment.name);
  value.set("device", environment.device);
  value.set("threads", environment.threads);
  value.set("libraries", environment.libraries);
  value.set("batch_size", session.experiment.train.batch_size);
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
  const Environment environment = this_environment(session.machine);
  if (!session.machine.note.empty()) fmt::print("{}\n", session.machine.note);
  fmt::print("{}\n{}, batch {}\n\n", environment.device, environment.libraries,
             session.experiment.train.batch_size);
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
  fmt::print("{}\n", rates.text());

  double total = 0;
  for (const NodeTime& node : result.nodes) total += node.forward_ms + node.backward_ms;
  Table nodes({{"node", Table::Align::left, true},
               {"op", Table::Align::left, true},
               {"runs as", Table::Align::left, true},
               {"fwd ms", Table::Align::right},
               {"bwd ms", Table::Align::right},
               {"share", Table::Align::right}});
  for (const NodeTime& node : result.nodes) {
    const double share = total > 0 ? 100 * (node.forward_ms + node.backward_ms) / total : 0;
    nodes.add({node.node, node.op, node.implementation, fmt::format("{:.3f}", node.forward_ms),
               fmt::format("{:.3f}", node.backward_ms), fmt::format("{:.1f} %", share)});
  }
  nodes.add_rule();
  nodes.add({"sum", "", "", "", fmt::format("{:.3f}", total), ""});
  nodes.add({"training step", "", "", "", fmt::format("{:.3f}", result.step_ms), ""});
  fmt::print("{}", nodes.text());
}

int bench(BenchArguments& arguments) {
  if (arguments.batch)
    arguments.shared.set.push_back(fmt::format("train.batch_size={}", arguments.batch));
  const Session session = open_session(arguments.shared);
  const BenchResult result = measure_all(arguments, session);
  arguments.shared.json ? print_json(session, result) : print_tables(session, result);
  return 0;
}

}  // namespace

Action declare_bench(Arguments& arguments) {
  auto options = std::make_shared<BenchArguments>();
  add_file(arguments, options->shared);
  arguments.integer("--batch", options->batch,
                    {.doc = "Override the key train.batch_size",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 1 << 20});
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
  add_set(arguments, options->shared);
  add_machine(arguments, options->shared);
  add_passes(arguments, options->shared);
  add_data_dir(arguments, options->shared);
  add_json(arguments, options->shared);
  arguments.footer("The images are random and lie in memory, so no data set is needed.");
  return [options] { return bench(*options); };
}

}  // namespace engine
