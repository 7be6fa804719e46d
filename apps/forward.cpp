// engine forward: logits of given weights for given inputs, dropout off.

#include <filesystem>

#include "apps/arrays.h"
#include "apps/session.h"
#include "apps/verbs.h"
#include "engine/core/safetensors.h"
#include "engine/core/value.h"

namespace engine {
namespace {

struct ForwardArguments {
  SharedOptions shared;
  std::string weights, input, out;
};

int forward(ForwardArguments& arguments) {
  const Session session = open_session(arguments.shared);
  const FloatImages input = read_float_images(arguments.input);
  const std::vector<NamedTensor> weights = read_safetensors(weights_path(arguments.weights));
  const int64_t classes = source_info(session.experiment, arguments.shared).classes;
  Executor executor(executor_setup(session, input.shape.with_batch(1), classes, nullptr, false));
  executor.set_parameters(weights);
  const std::vector<float> logits = executor.logits(input.values, input.shape.n);
  const std::vector<int64_t> dims{input.shape.n,
                                  static_cast<int64_t>(logits.size()) / input.shape.n};
  write_npy(real_files(), arguments.out, dims, logits);
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set("file", arguments.out);
    result.set("shape", Array(dims.begin(), dims.end()));
    fmt::print("{}\n", to_json(result));
  } else {
    fmt::print("{}: {} x {} float32\n", arguments.out, dims[0], dims[1]);
  }
  return 0;
}

}  // namespace

Action declare_forward(Arguments& arguments) {
  auto options = std::make_shared<ForwardArguments>();
  add_file(arguments, options->shared);
  arguments.text(
      "--weights", options->weights,
      {.doc = "Weights: a safetensors file or a run folder", .placeholder = "W", .required = true});
  arguments.text(
      "--input", options->input,
      {.doc = "NumPy file with images as the network sees them: samples x height x width x "
              "channels, float32",
       .placeholder = "X.npy",
       .required = true});
  arguments.text("--out", options->out,
                 {.doc = "NumPy file to write: samples x classes, float32",
                  .placeholder = "LOGITS.npy",
                  .required = true});
  add_set(arguments, options->shared);
  add_machine(arguments, options->shared);
  add_data_dir(arguments, options->shared);
  add_json(arguments, options->shared);
  return [options] { return forward(*options); };
}

}  // namespace engine
