#include "engine/run/training.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "engine/core/error.h"

namespace engine {
namespace {

using Clock = std::chrono::steady_clock;
/// Between two looks at signals and the bar.
constexpr double kChunkSeconds = 0.02;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool counted_time(const RunOptions& options) {
  return options.counted_time || std::getenv("ENGINE_COUNTED_TIME") != nullptr;
}

}  // namespace

RunResult Training::run() {
  std::optional<CheckpointStore::Loaded> saved;
  if (options_.resume) saved = store_.load();
  load_data(saved);
  device_.choose_again(saved ? saved->state.choices : Choices{});
  make_executor();
  if (saved) {
    resume(std::move(*saved));
  } else {
    start();
  }
  while (!done()) {
    if (train_epoch()) continue;
    const std::string reason = fmt::format("stopped by {} with a checkpoint at step {}",
                                           signals_.name(), state_.step.step);
    write_status("stopped", reason, static_cast<int>(ExitCode::stopped));
    progress_.finish();
    progress_.line(reason + "; the same command with --resume goes on");
    return result(ExitCode::stopped);
  }
  evaluate_test();
  write_status("finished", "", static_cast<int>(ExitCode::ok));
  return result(ExitCode::ok);
}

bool Training::done() const {
  const EarlyStopping& early = experiment_.train.early_stopping;
  if (state_.epochs_done >= experiment_.train.epochs) return true;
  return early.enabled && state_.waited > 0 && state_.waited >= early.patience;
}

double Training::rate(uint64_t step) const {
  const TrainConfig& train = experiment_.train;
  return train.optimizer->learning_rate *
         train.schedule.at(step, static_cast<uint64_t>(steps_per_epoch_), train.epochs);
}

/// The order of an epoch is a function of (seed, epoch): a position is all that a resume needs.
void Training::begin_epoch(uint32_t epoch) {
  if (experiment_.train.shuffle) {
    const RandomKey shuffle{static_cast<uint32_t>(experiment_.seed),
                            random_stream("shuffle", "train")};
    executor_->begin_epoch(*train_, shuffle, epoch);
  } else {
    std::vector<int32_t> order(static_cast<size_t>(train_->count()));
    std::iota(order.begin(), order.end(), 0);
    executor_->begin_epoch(*train_, order, epoch);
  }
  if (mid_epoch_) executor_->set_state(state_.step);
  mid_epoch_ = false;
}

int64_t Training::chunk(uint64_t step, double seconds_per_step) const {
  int64_t steps = 1;
  if (seconds_per_step > 0) steps = static_cast<int64_t>(kChunkSeconds / seconds_per_step);
  const int64_t every = experiment_.train.checkpoint.every_steps;
  if (every > 0) steps = std::min(steps, every - static_cast<int64_t>(step) % every);
  return std::clamp<int64_t>(steps, 1, 1000);
}

bool Training::checkpoint_due(uint64_t step) const {
  const CheckpointConfig& config = experiment_.train.checkpoint;
  if (config.every_steps > 0 && step % static_cast<uint64_t>(config.every_steps) == 0) return true;
  return config.every_seconds > 0 && seconds_since(last_save_) >= config.every_seconds;
}

bool Training::train_epoch() {
  begin_epoch(static_cast<uint32_t>(state_.epochs_done));
  EpochTimer timer(counted_time(options_), steps_per_epoch_);
  const auto count = static_cast<uint64_t>(train_->count());
  StepState now = executor_->state();
  double seconds_per_step = 0;
  while (now.position < count) {
    const auto start = Clock::now();
    const int64_t steps = executor_->train(chunk(now.step, seconds_per_step),
                                           [this](uint64_t step) { return rate(step); });
    seconds_per_step = seconds_since(start) / static_cast<double>(std::max<int64_t>(steps, 1));
    now = executor_->state();
    if (now.nonfinite) diverged(executor_->find_nonfinite());
    timer.add_steps(steps);
    report_step(now, timer);
    if (signals_.requested() || (now.position < count && checkpoint_due(now.step))) {
      collect();
      save(false);
    }
    if (signals_.requested()) return false;
  }
  finish_epoch(timer);
  return true;
}

void Training::report_step(const StepState& step, const EpochTimer& timer) {
  const double per_step = timer.seconds_per_step();
  const auto samples = static_cast<uint64_t>(train_->count());
  const double per_image = per_step / static_cast<double>(experiment_.train.batch_size);
  const double seen = static_cast<double>(std::max<uint64_t>(step.seen, 1));
  StepReport report;
  report.epoch = state_.epochs_done + 1;
  report.epochs = experiment_.train.epochs;
  report.step = step.step;
  report.position = step.position;
  report.samples = samples;
  report.images_per_second = per_image > 0 ? 1 / per_image : 0;
  report.loss = step.loss_sum / seen;
  report.accuracy = static_cast<double>(step.correct) / seen;
  report.epoch_seconds_left =
      per_image * static_cast<double>(samples - step.position) + evaluation_seconds_;
  report.run_seconds_left = report.epoch_seconds_left +
                            static_cast<double>(report.epochs - report.epoch) *
                                (per_image * static_cast<double>(samples) + evaluation_seconds_);
  report.memory_bytes = memory_bytes_;
  if (validation_ && state_.best_epoch > 0) {
    report.best_epoch = state_.best_epoch;
    report.best_loss = state_.rows[static_cast<size_t>(state_.best_epoch - 1)].validation_loss;
  }
  progress_.step(report);
}

void Training::finish_epoch(const EpochTimer& timer) {
  MetricsRow row;
  row.epoch = state_.epochs_done + 1;
  row.seconds = timer.training_seconds();
  row.images_per_second = row.seconds > 0 ? static_cast<double>(train_->count()) / row.seconds : 0;
  const Totals totals = executor_->totals();
  row.train_loss = totals.loss;
  row.train_accuracy = totals.accuracy;
  row.validation_loss = row.validation_accuracy = std::nan("");
  if (validation_) {
    progress_.doing("evaluating");
    const auto start = Clock::now();
    const Totals validation = executor_->evaluate(*validation_);
    if (!std::isfinite(validation.loss)) diverged("the validation loss");
    row.validation_loss = validation.loss;
    row.validation_accuracy = validation.accuracy;
    evaluation_seconds_ = seconds_since(start);
    memory_bytes_ = executor_->memory().total() + train_->bytes() + validation_->bytes();
    if (!timer.counted()) row.seconds += evaluation_seconds_;
  }
  collect();
  row.learning_rate = rate(state_.step.step - 1);
  state_.epochs_done = row.epoch;
  state_.rows.push_back(row);
  const bool best = judge(row);
  if (best) state_.best = state_.weights;
  // The next epoch starts at the beginning, with empty sums.
  state_.step.epoch = static_cast<uint32_t>(row.epoch);
  state_.step.position = state_.step.correct = state_.step.seen = 0;
  state_.step.loss_sum = 0;
  save_metrics();
  save(best);
  progress_.epoch({.epoch = row.epoch,
                   .epochs = experiment_.train.epochs,
                   .step = state_.step.step,
                   .seconds = row.seconds,
                   .images_per_second = row.images_per_second,
                   .learning_rate = row.learning_rate,
                   .train_loss = row.train_loss,
                   .train_accuracy = row.train_accuracy,
                   .validated = validation_ != nullptr,
                   .validation_loss = row.validation_loss,
                   .validation_accuracy = row.validation_accuracy,
                   .best = best});
  write_status("running", "", -1);
}

/// Keras' rule: an epoch is better when it improves by more than min_delta. Without validation
/// images there is nothing to choose by, and the last epoch is the best.
bool Training::judge(const MetricsRow& row) {
  const EarlyStopping& early = experiment_.train.early_stopping;
  const bool by_accuracy = early.monitor == EarlyStopping::Monitor::validation_accuracy;
  const double value = by_accuracy ? row.validation_accuracy : row.validation_loss;
  const bool better = !validation_ || state_.best_epoch == 0 ||
                      (by_accuracy ? value > state_.best_value + early.min_delta
                                   : value < state_.best_value - early.min_delta);
  state_.waited = better ? 0 : state_.waited + 1;
  if (!better) return false;
  state_.best_epoch = row.epoch;
  state_.best_value = validation_ ? value : 0;
  return true;
}

void Training::diverged(const std::string& where) {
  const StepState now = executor_->state();
  fail(ExitCode::diverged,
       "training diverged at step {} (epoch {}): NaN or Inf first in {}. The last good checkpoint "
       "is "
       "kept in {}; try a lower learning rate or train.optimizer.clip_norm",
       now.step, state_.epochs_done + 1, where, folder_ / run_files::kCheckpoints);
}

void Training::collect() {
  state_.weights = executor_->parameters();
  state_.moments = executor_->moments();
  state_.step = executor_->state();
  note_choices();
}

void Training::note_choices() {
  say(adopt_choices(state_.choices, device_.choices()));
}

void Training::save(bool new_best) {
  store_.save(state_, new_best);
  last_save_ = Clock::now();
}

void Training::save_metrics() {
  save_file(files_, folder_ / run_files::kMetrics, metrics_csv(state_.rows), {.label = "metrics"});
}

void Training::evaluate_test() {
  const bool best = experiment_.train.early_stopping.restore_best && !state_.best.empty();
  if (best) executor_->set_parameters(state_.best);
  Results results;
  results.tested_epoch = best ? state_.best_epoch : state_.epochs_done;
  ConfusionMatrix confusion(classes_.size());
  progress_.doing("testing");
  std::vector<float> logits;
  if (split_.test.shape.n > 0) {
    const auto test = pipeline_->prepare(split_.test, false);
    results.test = test_ = executor_->evaluate(*test);
    logits = executor_->logits(*test);
    confusion.add(logits, split_.test.labels);
  }
  results.epochs = state_.epochs_done;
  results.best_epoch = state_.best_epoch;
  results.stopped_early = state_.epochs_done < experiment_.train.epochs;
  const bool known = validation_ && state_.best_epoch > 0;
  const size_t row = static_cast<size_t>(std::max<int64_t>(state_.best_epoch, 1) - 1);
  results.best_validation_loss = known ? state_.rows[row].validation_loss : std::nan("");
  results.best_validation_accuracy = known ? state_.rows[row].validation_accuracy : std::nan("");
  results.classes = classes_;
  save_file(files_, folder_ / run_files::kResults, results_json(results, confusion));
  finished_ = true;
  tell([&](RunObserver& observer, const RunView& run) {
    observer.tested(run, {.results = results,
                          .confusion = confusion,
                          .logits = logits,
                          .images = split_.test,
                          .training = *train_});
  });
  progress_.line(
      fmt::format("test loss {:.4f}  accuracy {:.4f}  ({} images, weights of epoch {}{})",
                  test_.loss, test_.accuracy, test_.samples, results.tested_epoch,
                  results.stopped_early ? ", stopped early" : ""));
}

RunResult Training::result(ExitCode code) const {
  RunResult result;
  result.code = code;
  result.folder = folder_.path();
  result.finished = finished_;
  result.stopped_early = finished_ && state_.epochs_done < experiment_.train.epochs;
  result.epochs = state_.epochs_done;
  result.best_epoch = state_.best_epoch;
  result.test = test_;
  return result;
}

}  // namespace engine
