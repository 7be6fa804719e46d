// engine preprocess: what the network would see, as a NumPy file.

#include <algorithm>

#include "apps/arrays.h"
#include "apps/session.h"
#include "apps/verbs.h"
#include "engine/core/value.h"
#include "engine/run/gathered.h"

namespace engine {
namespace {

struct PreprocessArguments {
  SharedOptions shared;
  std::string split = "train", images, out;
};

int preprocess(PreprocessArguments& arguments) {
  const Session session = open_session(arguments.shared);
  const auto stages = stages_of(session.experiment);
  const bool needs_statistics = std::any_of(
      stages.begin(), stages.end(), [](const Stage* stage) { return stage->needs_statistics(); });
  ImageSet images;
  Split split;
  if (arguments.images.empty() || needs_statistics) {
    const auto seed = static_cast<uint32_t>(session.experiment.seed);
    split = split_dataset(load_data(session.experiment.data, seed, arguments.shared),
                          session.experiment.data.validation, seed);
  }
  const ImageSet& chosen = arguments.split == "train"        ? split.train
                           : arguments.split == "validation" ? split.validation
                                                             : split.test;
  if (!arguments.images.empty()) images = read_byte_images(arguments.images);
  const ImageSet& input = arguments.images.empty() ? chosen : images;
  if (input.shape.n == 0) {
    fail(ExitCode::data, "{}: the {} split has no images", arguments.shared.file, arguments.split);
  }
  const auto pipeline = make_pipeline(session, input.shape.with_batch(1));
  if (needs_statistics) pipeline->measure(split.train);
  const auto prepared = pipeline->prepare(input, arguments.split == "train");
  const std::vector<float> values = gathered(*session.machine.device, *pipeline, *prepared);
  const Shape shape = pipeline->output();
  const std::vector<int64_t> dims{prepared->count(), shape.h, shape.w, shape.c};
  write_npy(real_files(), arguments.out, dims, values);
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set("file", arguments.out);
    result.set("shape", Array(dims.begin(), dims.end()));
    fmt::print("{}\n", to_json(result));
  } else {
    fmt::print("{}: {} x {} x {} x {} float32\n", arguments.out, dims[0], dims[1], dims[2],
               dims[3]);
  }
  return 0;
}

}  // namespace

Action declare_preprocess(Arguments& arguments) {
  auto options = std::make_shared<PreprocessArguments>();
  add_file(arguments, options->shared);
  arguments.text(
      "--split", options->split,
      {.doc = "train, validation or test; stages for training only (flips, crops) apply to train",
       .placeholder = "SPLIT",
       .required = true,
       .choices = {"train", "validation", "test"}});
  arguments.text(
      "--images", options->images,
      {.doc = "NumPy file with uint8 images to take instead of the split's: samples x height x "
              "width x channels",
       .placeholder = "X.npy"});
  arguments.text("--out", options->out,
                 {.doc = "NumPy file to write: samples x height x width x channels, float32",
                  .placeholder = "Y.npy",
                  .required = true});
  add_set(arguments, options->shared);
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return preprocess(*options); };
}

}  // namespace engine
