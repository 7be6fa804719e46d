// The beginning of a run: data, network, and the state to start from.

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/run/training.h"

namespace engine {

Training::Training(const Experiment& experiment, const Registry& registry, Device& device,
                   const RunOptions& options, Progress& progress)
    : experiment_(experiment),
      registry_(registry),
      device_(device),
      options_(options),
      progress_(progress),
      files_(options.files ? *options.files : real_files()),
      folder_(RunFolder::open(files_, {.name = experiment.name,
                                       .out = options.out,
                                       .runs = options.runs,
                                       .resume = options.resume,
                                       .overwrite = options.overwrite})),
      store_(files_, folder_.path()) {}

void Training::load_data(const std::optional<CheckpointStore::Loaded>& saved) {
  progress_.doing("loading images");
  const auto seed = static_cast<uint32_t>(experiment_.seed);
  Dataset dataset = load_dataset(experiment_.data, options_.data, seed);
  classes_ = dataset.classes;
  image_ = dataset.image;
  fingerprint_ = dataset.fingerprint;
  for (const std::string& skipped : dataset.skipped) progress_.warning("left out: " + skipped);
  split_ = split_dataset(std::move(dataset), experiment_.data.validation, seed);
  if (split_.train.shape.n == 0) fail(ExitCode::data, "the data set has no training images");

  PipelineSetup setup{.stages = {}, .image = image_, .seed = seed, .device = device_};
  for (const auto& stage : experiment_.preprocess) setup.stages.push_back(stage.get());
  const PipelineFactory make =
      device_.kind() == "cuda" ? registry_.cuda_pipeline : registry_.cpu_pipeline;
  if (!make) fail(ExitCode::device, "this build has no preprocessing for {}", device_.kind());
  progress_.doing("preprocessing");
  pipeline_ = make(setup);
  if (saved) {
    pipeline_->set_statistics(saved->state.statistics);
  } else {
    pipeline_->measure(split_.train);
  }
  // The device holds the prepared images from here on; the pixels of the test images stay until the
  // end of the run, the others go.
  train_ = pipeline_->prepare(split_.train, true);
  tell([&](RunObserver& observer, const RunView& run) { observer.loaded(run, split_); });
  split_.train = {};
  if (split_.validation.shape.n > 0) validation_ = pipeline_->prepare(split_.validation, false);
  split_.validation = {};
  const int64_t batch = experiment_.train.batch_size;
  steps_per_epoch_ = (train_->count() + batch - 1) / batch;
  if (!validation_ && experiment_.train.early_stopping.enabled) {
    fail(ExitCode::experiment,
         "train.early_stopping needs validation images; expected data.validation over 0");
  }
}

void Training::make_executor() {
  const TrainConfig& train = experiment_.train;
  executor_ =
      std::make_unique<Executor>(ExecutorSetup{.network = experiment_.network,
                                               .image = pipeline_->output(),
                                               .context = {static_cast<int64_t>(classes_.size())},
                                               .registry = registry_,
                                               .device = device_,
                                               .pipeline = pipeline_.get(),
                                               .optimizer = train.optimizer.get(),
                                               .batch = train.batch_size,
                                               .evaluation_batch = train.evaluation_batch_size,
                                               .label_smoothing = train.label_smoothing,
                                               .seed = static_cast<uint32_t>(experiment_.seed),
                                               .precision = experiment_.precision,
                                               .without_passes = options_.without_passes});
}

/// A state with the conditions of this process and no training in it.
TrainingState Training::conditions(std::string fingerprint) const {
  const Environment& environment = options_.environment;
  TrainingState state;
  state.statistics = pipeline_->statistics();
  state.classes = classes_;
  state.name = experiment_.name;
  state.config = flat_config(experiment_.resolved);
  state.data_fingerprint = std::move(fingerprint);
  state.engine_version = environment.engine_version;
  state.device = environment.device;
  state.isa = environment.isa;
  state.libraries = environment.libraries;
  state.threads = environment.threads;
  state.seed = experiment_.seed;
  return state;
}

void Training::begin_folder() {
  folder_.begin();
  begun_ = true;
  progress_.log_to(files_, folder_ / run_files::kLog);
  if (folder_.renamed() && !options_.resume) {
    progress_.line(fmt::format("this run goes into {} (there is an earlier {})", folder_.path(),
                               experiment_.name));
  } else {
    progress_.line("run folder: " + folder_.path());
  }
  const SaveOptions quick{.durable = false};
  save_file(files_, folder_ / run_files::kConfig, to_json(experiment_.resolved) + "\n", quick);
  save_file(files_, folder_ / run_files::kEnvironment, environment_json(options_.environment),
            quick);
  write_status("running", "", -1);
}

void Training::say(const ResumeCheck& check) {
  for (const ResumeCheck::Change& change : check.changes)
    progress_.line("changed: " + to_string(change));
}

void Training::start() {
  std::string from = options_.from.empty() ? experiment_.initialize_from : options_.from;
  state_ = conditions(fingerprint_);
  executor_->initialize();
  if (!from.empty()) {
    from = weights_path(from);
    try {
      executor_->set_parameters(read_weights(from).parameters);
    } catch (const Error& error) {
      fail(error.code(), "{}: cannot start from these weights: {}", from, error.what());
    }
  }
  begin_folder();
  if (options_.resume) progress_.line("no checkpoint to resume from: starting anew");
  if (!from.empty()) progress_.line("weights from " + from);
  collect();
  store_.require_space(2 * CheckpointStore::bytes(state_));
  save_metrics();
}

void Training::resume(CheckpointStore::Loaded saved) {
  state_ = conditions(fingerprint_);
  const ResumeCheck check = check_resume(saved.state, state_);
  std::string refused;
  ExitCode code = ExitCode::data;  // when only the images changed, not the file
  for (const ResumeCheck::Change& change : check.changes) {
    if (change.verdict != ResumeCheck::Verdict::refused) continue;
    refused += "\n  " + to_string(change);
    if (change.what != "data") code = ExitCode::experiment;
  }
  if (!refused.empty()) {
    fail(code, "{}: cannot be resumed, since this changed:{}", folder_.path(), refused);
  }
  // Where it got to from the file, conditions from this process.
  const bool other_engines =
      saved.state.device != state_.device || saved.state.libraries != state_.libraries;
  TrainingState now = std::move(state_);
  state_ = std::move(saved.state);
  state_.name = now.name;
  state_.config = now.config;
  state_.engine_version = now.engine_version;
  state_.device = now.device;
  state_.isa = now.isa;
  state_.libraries = now.libraries;
  state_.threads = now.threads;
  if (other_engines) state_.choices.clear();  // nothing to compare with
  executor_->set_parameters(state_.weights);
  executor_->set_moments(state_.moments);
  executor_->set_state(state_.step);
  mid_epoch_ = true;
  adopt_times(state_.rows, folder_ / run_files::kMetrics);

  begin_folder();
  for (const std::string& reason : saved.damaged) progress_.warning(reason);
  if (!saved.damaged.empty()) {
    progress_.warning("the newest checkpoint is damaged; going on from the one before, " +
                      saved.path);
  }
  say(check);
  note_choices();
  progress_.line(fmt::format("resumed at step {}, after {} of {} epochs, from {}", state_.step.step,
                             state_.epochs_done, experiment_.train.epochs, saved.path));
  if (done() && state_.epochs_done < experiment_.train.epochs) {
    progress_.line(
        "early stopping had ended this run, and more epochs do not change that; to go on, raise "
        "train.early_stopping.patience");
  }
  store_.repair(state_);
  save_metrics();
}

void Training::write_status(std::string_view state, const std::string& reason,
                            int exit_code) noexcept {
  if (!begun_) return;
  try {
    const Status status{.state = state,
                        .reason = reason,
                        .gpu = device_.identity(),
                        .epoch = state_.epochs_done,
                        .epochs = experiment_.train.epochs,
                        .step = state_.step.step,
                        .exit_code = exit_code};
    save_file(files_, folder_ / run_files::kStatus, status_json(status), {.durable = false});
    tell([&](RunObserver& observer, const RunView& run) { observer.noted(run, status, files_); });
  } catch (const std::exception& error) {
    progress_.warning(error.what());
  }
}

}  // namespace engine
