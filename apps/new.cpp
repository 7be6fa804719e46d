// engine new: a commented experiment file to start from.

#include <algorithm>
#include <filesystem>

#include "apps/options.h"
#include "apps/verbs.h"
#include "engine/core/file.h"
#include "engine/core/value.h"

namespace engine {
namespace {

constexpr std::string_view kTemplate = R"json({
  // "engine check {file}" says everything that is wrong with this file,
  // "engine config {file}" prints every key with its value, defaults included, and
  // "engine schema --markdown" explains all of them.
  "name": "{name}",
  "seed": 1,

  // "shapes" is built in and needs no files. Others: "cifar10" ("engine data fetch" gets it), or
  // "image_folder" with "path": a folder that holds train/<class>/ and test/<class>/ with images.
  "data": { "source": "shapes", "count": 6000, "validation": 0.2 },

  // Steps from the image files to what the network sees, in this order.
  "preprocess": [
    { "op": "noise", "sigma": 0.1, "when": "once" }
  ],

  // A node without "input" takes the node before it. "engine summary {file}" prints the shapes.
  "network": {
    "nodes": [
      { "name": "conv1", "op": "conv2d", "filters": 32, "kernel": 3, "activation": "relu" },
      { "name": "pool1", "op": "max_pool", "kernel": 2, "stride": 2 },
      { "name": "conv2", "op": "conv2d", "filters": 64, "kernel": 3, "activation": "relu" },
      { "name": "pool2", "op": "max_pool", "kernel": 2, "stride": 2 },
      { "name": "gap", "op": "global_average_pool" },
      { "name": "dropout", "op": "dropout", "rate": 0.2 },
      { "name": "classifier", "op": "dense", "units": "classes" }
    ]
  },

  "train": {
    "epochs": 10,
    "batch_size": 32,
    "optimizer": { "type": "adam", "learning_rate": 0.003 },
    "early_stopping": { "monitor": "validation_loss", "patience": 3, "restore_best": true }
  }
}
)json";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

int write_new(std::string name, bool json) {
  if (name.size() > 5 && name.ends_with(".json")) name.resize(name.size() - 5);
  const std::string stem = std::filesystem::path(name).filename();
  const bool plain =
      !stem.empty() && stem[0] != '.' && std::all_of(stem.begin(), stem.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '_' || c == '-' || c == '.';
      });
  if (!plain) {
    fail(ExitCode::usage,
         "engine new: '{}' is no name for an experiment: use letters, digits, '_', '-' and '.'",
         name);
  }
  const std::string file = name + ".json";
  if (exists(file))
    fail(ExitCode::usage, "engine new: {} exists already; choose another name or remove it", file);
  save_file(real_files(), file,
            replaced(replaced(std::string(kTemplate), "{file}", file), "{name}", stem));
  if (json) {
    Value result{Object{}};
    result.set("file", file);
    fmt::print("{}\n", to_json(result));
  } else {
    fmt::print("{}\n", file);
  }
  fmt::print(stderr, "To train it: engine run {}\n", file);
  return 0;
}

}  // namespace

Action declare_new(Arguments& arguments) {
  auto options = std::make_shared<SharedOptions>();
  arguments.text("NAME", options->file,
                 {.doc = "The experiment's name: the file is NAME.json", .required = true});
  add_json(arguments, *options);
  return [options] { return write_new(options->file, options->json); };
}

}  // namespace engine
