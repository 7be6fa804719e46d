// engine data: fetches, checks, describes and makes data sets.

#include "apps/fetching.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/file.h"
#include "engine/core/value.h"
#include "engine/cpu/cpu_device.h"
#include "engine/data/fetch.h"
#include "engine/data/make_folder.h"
#include "engine/data/stats.h"
#include "engine/data/verify.h"
#include "kernels/register.h"

namespace engine {
namespace {

struct DataArguments {
  SharedOptions shared;
  std::string what = "cifar10";
  std::string url, out;
  bool quiet = false;
  int64_t count = DataConfig{}.count;
  int64_t size = DataConfig{}.size.h;
};

void add_threads(Arguments& arguments, SharedOptions& options) {
  arguments.integer("--threads", options.threads,
                    {.doc = "Threads (default: every core this process may use)",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 4096});
}

int fetch_data(const DataArguments& arguments) {
  const std::string data_dir = resolve_data_dir(arguments.shared.data_dir);
  const bool fetched = fetch_cifar10(data_dir, arguments.url, arguments.quiet);
  const std::string file = cifar10_download(data_dir).path;
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set("file", file);
    result.set("fetched", fetched);
    fmt::print("{}\n", to_json(result));
  } else {
    fmt::print("{}: {}\n", file, fetched ? "fetched, checksum right" : "was there already");
  }
  return 0;
}

int verify_data(const DataArguments& arguments) {
  set_threads(static_cast<int>(arguments.shared.threads));
  const Verification result =
      verify_cifar10(resolve_data_dir(arguments.shared.data_dir), threads());
  if (arguments.shared.json) {
    Array checks;
    for (const auto& check : result.checks) {
      Value row{Object{}};
      row.set("what", check.what);
      row.set("good", check.good);
      row.set("found", check.found);
      checks.push_back(std::move(row));
    }
    Value value{Object{}};
    value.set("good", result.good());
    value.set("checks", std::move(checks));
    fmt::print("{}\n", to_json(value));
  } else {
    Table table({{"", Table::Align::left},
                 {"check", Table::Align::left, true},
                 {"found", Table::Align::left, true}});
    for (const auto& check : result.checks)
      table.add({check.good ? "ok" : "BAD", check.what, check.found});
    fmt::print("{}", table.text());
  }
  return static_cast<int>(result.good() ? ExitCode::ok : ExitCode::data);
}

/// The data set of an experiment file, or of a source that needs no further keys.
DataConfig stats_config(const DataArguments& arguments, int64_t& seed) {
  DataConfig config;
  seed = arguments.shared.seed.value_or(1);
  if (arguments.what == "cifar10") return config;
  config.source = DataConfig::Source::shapes;
  if (arguments.what == "shapes") return config;
  SharedOptions options = arguments.shared;
  options.file = arguments.what;
  const Registry registry = register_ops();
  const Experiment experiment = open_experiment(options, registry);
  seed = experiment.seed;
  return experiment.data;
}

int print_stats(const DataArguments& arguments) {
  set_threads(static_cast<int>(arguments.shared.threads));
  int64_t seed = 1;
  const DataConfig config = stats_config(arguments, seed);
  const DataStats stats = data_stats(load_data(config, seed, arguments.shared));
  if (arguments.shared.json) {
    fmt::print("{}\n", to_json(to_value(stats)));
  } else {
    fmt::print("{}", to_table(stats));
  }
  return 0;
}

int make_data(const DataArguments& arguments) {
  set_threads(static_cast<int>(arguments.shared.threads));
  DataConfig config;
  config.source = DataConfig::Source::shapes;
  config.count = arguments.count;
  config.size.h = config.size.w = arguments.size;
  const auto seed = static_cast<uint32_t>(arguments.shared.seed.value_or(1));
  const Dataset dataset = load_dataset(config, data_options(arguments.shared), seed);
  const std::string folder = arguments.out.empty()
                                 ? resolve_data_dir(arguments.shared.data_dir) + "/shapes"
                                 : arguments.out;
  make_image_folder(folder, dataset, threads());
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set("folder", folder);
    result.set("train", dataset.train.shape.n);
    result.set("test", dataset.test.shape.n);
    fmt::print("{}\n", to_json(result));
  } else {
    fmt::print("{}: {} training and {} test images\n", folder, with_commas(dataset.train.shape.n),
               with_commas(dataset.test.shape.n));
  }
  return 0;
}

Action declare_fetch(Arguments& arguments) {
  auto options = std::make_shared<DataArguments>();
  arguments.text("NAME", options->what, {.doc = "cifar10 (the default)", .choices = {"cifar10"}});
  add_data_dir(arguments, options->shared);
  arguments.text("--url", options->url,
                 {.doc = "Another address of the same archive (HTTPS)", .placeholder = "URL"});
  arguments.flag("--quiet", options->quiet, {.doc = "No progress on standard error"});
  add_json(arguments, options->shared);
  arguments.footer(
      "The file gets its name when its checksum has been found right. A broken download goes on "
      "where "
      "it stopped.");
  return [options] { return fetch_data(*options); };
}

Action declare_verify(Arguments& arguments) {
  auto options = std::make_shared<DataArguments>();
  arguments.text("NAME", options->what, {.doc = "cifar10 (the default)", .choices = {"cifar10"}});
  add_data_dir(arguments, options->shared);
  add_threads(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return verify_data(*options); };
}

Action declare_stats(Arguments& arguments) {
  auto options = std::make_shared<DataArguments>();
  arguments.text("WHAT", options->what,
                 {.doc = "cifar10 (the default), shapes, or an experiment file: its data set"});
  add_set(arguments, options->shared);
  add_data(arguments, options->shared);
  add_threads(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return print_stats(*options); };
}

Action declare_make(Arguments& arguments) {
  auto options = std::make_shared<DataArguments>();
  arguments.text("NAME", options->what, {.doc = "shapes", .required = true, .choices = {"shapes"}});
  arguments.text(
      "--out", options->out,
      {.doc = "Folder to make (default: shapes in the data folder)", .placeholder = "DIR"});
  arguments.integer("--count", options->count,
                    {.doc = "Training images (default: 6000); a fifth as many test images",
                     .placeholder = "N",
                     .minimum = 10,
                     .maximum = 10'000'000});
  arguments.integer("--size", options->size,
                    {.doc = "Height and width in pixels (default: 32)",
                     .placeholder = "N",
                     .minimum = 8,
                     .maximum = 1024});
  arguments.integer("--seed", options->shared.seed,
                    {.doc = "Seed of the images (default: 1)",
                     .placeholder = "N",
                     .minimum = 0,
                     .maximum = 4294967295.0});
  add_data_dir(arguments, options->shared);
  add_threads(arguments, options->shared);
  add_json(arguments, options->shared);
  arguments.footer("Writes PNG files that the source image_folder reads.");
  return [options] { return make_data(*options); };
}

}  // namespace

Action declare_data(Arguments& arguments) {
  arguments.subcommand("fetch", "Download CIFAR-10", declare_fetch);
  arguments.subcommand("verify", "Check the files of CIFAR-10", declare_verify);
  arguments.subcommand("stats", "Class counts, mean and deviation of a data set", declare_stats);
  arguments.subcommand("make", "Write the generated images as a folder of files", declare_make);
  return {};
}

}  // namespace engine
