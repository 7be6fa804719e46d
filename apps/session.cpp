#include "apps/session.h"

#include "apps/console.h"
#include "engine/core/error.h"
#include "engine/cpu/cpu_device.h"

namespace engine {

Session open_session(const SharedOptions& options) {
  Session session;
  session.machine = open_machine(options);
  session.experiment = open_experiment(options, session.machine.registry);
  return session;
}

Environment this_environment(const Machine& machine) {
  Environment environment;
  environment.engine_version = ENGINE_VERSION;
  environment.device = machine.device->description();
  environment.isa = instruction_sets();
  environment.libraries = machine.libraries;
  environment.threads = threads();
  return environment;
}

std::unique_ptr<Pipeline> make_pipeline(const Session& session, Shape image, bool leave_out_noise) {
  return make_pipeline(session, stages_of(session.experiment, leave_out_noise), image);
}

std::unique_ptr<Pipeline> make_pipeline(const Session& session, std::vector<const Stage*> stages,
                                        Shape image) {
  PipelineSetup setup{.stages = std::move(stages),
                      .image = image,
                      .seed = static_cast<uint32_t>(session.experiment.seed),
                      .device = *session.machine.device};
  const Registry& registry = session.machine.registry;
  return setup.device.kind() == "cuda" ? registry.cuda_pipeline(setup)
                                       : registry.cpu_pipeline(setup);
}

Shape source_shape(const DataConfig& config) {
  if (config.source == DataConfig::Source::cifar10) return {1, 32, 32, 3};
  const bool folder = config.source == DataConfig::Source::image_folder;
  return {1, config.size.h, config.size.w, folder ? config.channels : 3};
}

SourceInfo source_info(const Experiment& experiment, const SharedOptions& options) {
  try {
    const DatasetInfo info = inspect_dataset(experiment.data, data_options(options));
    return {info.image, static_cast<int64_t>(info.classes.size())};
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    constexpr int64_t kAssumedClasses = 10;
    print_error(fmt::format("note: {}\nnote: assuming {} classes", error.what(), kAssumedClasses));
    return {source_shape(experiment.data), kAssumedClasses};
  }
}

Dataset load_data(const DataConfig& config, int64_t seed, const SharedOptions& options) {
  Dataset dataset = load_dataset(config, data_options(options), static_cast<uint32_t>(seed));
  for (const std::string& skipped : dataset.skipped) print_error("skipped " + skipped);
  return dataset;
}

ExecutorSetup executor_setup(const Session& session, Shape image, int64_t classes,
                             Pipeline* pipeline, bool training) {
  const TrainConfig& train = session.experiment.train;
  return {.network = session.experiment.network,
          .image = image,
          .context = {classes},
          .registry = session.machine.registry,
          .device = *session.machine.device,
          .pipeline = pipeline,
          .optimizer = training ? train.optimizer.get() : nullptr,
          .batch = train.batch_size,
          .evaluation_batch = train.evaluation_batch_size,
          .label_smoothing = train.label_smoothing,
          .seed = static_cast<uint32_t>(session.experiment.seed),
          .precision = session.experiment.precision};
}

}  // namespace engine
