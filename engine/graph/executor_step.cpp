#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/core/device_floats.h"
#include "engine/core/error.h"
#include "engine/graph/executor_impl.h"

namespace engine {
namespace {

constexpr size_t bytes_of(int64_t elements) {
  return static_cast<size_t>(elements) * sizeof(float);
}

void ensure(Device& device, Buffer& buffer, size_t bytes) {
  if (buffer.bytes() >= bytes) return;
  buffer = Buffer();
  buffer = Buffer(device, bytes);
}

Totals totals_of(const StepState& state) {
  if (state.seen == 0) return {};
  const auto seen = static_cast<double>(state.seen);
  return {.loss = state.loss_sum / seen,
          .accuracy = static_cast<double>(state.correct) / seen,
          .samples = state.seen};
}

}  // namespace

void Executor::Impl::point(Program& program, Buffer& to, bool with_labels) {
  program.args() = {.state = static_cast<StepState*>(to.data()),
                    .samples = static_cast<const int32_t*>(samples.data()),
                    .labels = with_labels ? static_cast<const int32_t*>(labels.data()) : nullptr,
                    .training = program.training()};
}

void Executor::Impl::gather(const PreparedSet& from, const Buffer& rows_of, int64_t begin,
                            const Buffer& at, Program& program) {
  if (!pipeline) fail(ExitCode::internal, "this executor was made without a pipeline");
  const DeviceRange range(device, "gather");
  pipeline->gather(from, static_cast<const int32_t*>(rows_of.data()) + begin,
                   static_cast<const StepState*>(at.data()), program.input(),
                   static_cast<int32_t*>(labels.data()), static_cast<int32_t*>(samples.data()));
}

void Executor::Impl::copy_batch(std::span<const float> images, std::span<const int32_t> of,
                                Program& program) {
  const int64_t count = program.batch();
  if (static_cast<int64_t>(images.size()) != program.graph().input.elements() ||
      (!of.empty() && static_cast<int64_t>(of.size()) != count)) {
    fail(ExitCode::internal, "expected {} images of {} and their labels", count, to_string(image));
  }
  write_floats(device, program.input().data, images, program.input().dtype);
  std::vector<int32_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  device.copy_to_device(samples.data(), numbers.data(), numbers.size() * sizeof(int32_t));
  if (!of.empty()) device.copy_to_device(labels.data(), of.data(), of.size_bytes());
}

void Executor::Impl::keep_state_parameters() {
  device.copy(kept_state_parameters.data(), store.state_parameters(),
              kept_state_parameters.bytes());
}

void Executor::Impl::restore_state_parameters() {
  device.copy(store.state_parameters(), kept_state_parameters.data(),
              kept_state_parameters.bytes());
}

void Executor::Impl::begin_steps(int64_t steps,
                                 const std::function<double(uint64_t)>& learning_rate) {
  StepState now = read(state);
  now.nonfinite = 0;
  now.rates_from = now.step;
  write(state, now);
  learning_rates_on_host.resize(static_cast<size_t>(steps));
  for (size_t i = 0; i < learning_rates_on_host.size(); ++i) {
    learning_rates_on_host[i] = static_cast<float>(learning_rate(now.step + i));
  }
  device.copy_to_device(learning_rates.data(), learning_rates_on_host.data(), bytes_of(steps));
}

void Executor::Impl::update(Buffer& of, int64_t advance) {
  optimizer_kernel->update({.state = static_cast<StepState*>(of.data()),
                            .learning_rates = learning_rates.f32(),
                            .samples = advance,
                            .parameters = store.parameters(),
                            .operands = store.operands(),
                            .gradients = store.gradients(),
                            .gradient_type = store.storage(),
                            .moments = store.moments(),
                            .elements = store.trainable_elements(),
                            .state_parameters = store.state_parameters(),
                            .state_parameters_before = kept_state_parameters.f32(),
                            .state_elements = store.elements() - store.trainable_elements()});
}

void Executor::Impl::step(Program& program, int64_t advance) {
  {
    const DeviceRange range(device, "forward");
    keep_state_parameters();
    program.forward(true);
  }
  {
    const DeviceRange range(device, "backward");
    program.backward();
  }
  const DeviceRange range(device, "update");
  update(state, advance);
}

Recording& Executor::Impl::recorded_step(int64_t count) {
  Program& program = training_program(count);
  const auto held = std::find_if(programs.begin(), programs.end(),
                                 [&](const Held& each) { return each.program.get() == &program; });
  if (!held->step) {
    held->step = device.record([this, &program, count] {
      point(program, state, true);
      gather(*set, order, 0, state, program);
      step(program, count);
    });
  }
  return *held->step;
}

void Executor::Impl::prepare_epoch(int64_t rows_left) {
  program(batch, Mode::training);
  if (rows_left % batch != 0) program(rows_left % batch, Mode::training);
  prepare();
  const int64_t steps = (rows_left + batch - 1) / batch;
  if (learning_rates.bytes() < bytes_of(steps)) {
    ensure(device, learning_rates, bytes_of(steps));
    forget_recordings();
  }
  learning_rates_on_host.reserve(static_cast<size_t>(steps));
  if (rows_left >= batch) recorded_step(batch);
  if (rows_left % batch != 0) recorded_step(rows_left % batch);
}

void Executor::begin_epoch(const PreparedSet& set, std::span<const int32_t> order, uint32_t epoch) {
  Impl& impl = *impl_;
  impl.require_training();
  for (const int32_t row : order) {
    if (row < 0 || row >= set.count()) {
      fail(ExitCode::internal, "row {} is not in a set of {}", row, set.count());
    }
  }
  ensure(impl.device, impl.order, order.size_bytes());
  impl.forget_recordings();  // they read the set and the order of the epoch before
  impl.set = &set;
  impl.rows = static_cast<int64_t>(order.size());
  impl.device.copy_to_device(impl.order.data(), order.data(), order.size_bytes());
  const StepState old = impl.read(impl.state);
  impl.write(impl.state, {.epoch = epoch,
                          .step = old.step,
                          .learning_rate = old.learning_rate,
                          .gradient_norm = old.gradient_norm});
  impl.prepare_epoch(impl.rows);
}

int64_t Executor::train(int64_t steps, const std::function<double(uint64_t)>& learning_rate) {
  Impl& impl = *impl_;
  if (!impl.set) fail(ExitCode::internal, "begin_epoch comes before train");
  const StepState start = impl.read(impl.state);
  auto position = static_cast<int64_t>(start.position);
  // After a resume in the middle of an epoch the last batch may have another size than at its
  // start.
  impl.prepare_epoch(impl.rows - position);
  steps = std::min(steps, (impl.rows - position + impl.batch - 1) / impl.batch);
  if (steps <= 0) return 0;
  impl.begin_steps(steps, learning_rate);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t count = std::min(impl.rows - position, impl.batch);
    impl.recorded_step(count).replay();
    position += count;
    if (impl.device.is_synchronous() && impl.read(impl.state).nonfinite) break;
  }
  return static_cast<int64_t>(impl.read(impl.state).step - start.step);
}

Totals Executor::totals() const {
  return totals_of(impl_->read(impl_->state));
}

template <class After>
void Executor::Impl::for_each_evaluation_batch(const PreparedSet& from, bool with_loss,
                                               const After& after) {
  const int64_t count = from.count();
  const bool full = count >= evaluation_batch;
  const int64_t tail = count % evaluation_batch;
  if (full) program(evaluation_batch, Mode::evaluation);
  if (tail != 0) program(tail, Mode::evaluation);
  prepare();
  if (evaluation_order.bytes() < bytes_of(count)) {
    std::vector<int32_t> rows_of(static_cast<size_t>(count));
    std::iota(rows_of.begin(), rows_of.end(), 0);
    ensure(device, evaluation_order, bytes_of(count));
    device.copy_to_device(evaluation_order.data(), rows_of.data(), bytes_of(count));
  }
  for (int64_t begin = 0; begin < count; begin += evaluation_batch) {
    Program& now = program(std::min(evaluation_batch, count - begin), Mode::evaluation);
    point(now, evaluation_state, with_loss);
    // The state of evaluation stays at position 0 of epoch 0: what it draws, and so its figures,
    // can be compared and repeated.
    gather(from, evaluation_order, begin, evaluation_state, now);
    now.forward(with_loss);
    after(now);
  }
}

Totals Executor::evaluate(const PreparedSet& set) {
  Impl& impl = *impl_;
  impl.require_loss();
  impl.write(impl.evaluation_state, {});
  impl.for_each_evaluation_batch(set, true, [](Program&) {});
  return totals_of(impl.read(impl.evaluation_state));
}

std::vector<float> Executor::Impl::read_logits(Program& program) const {
  const TensorView view = program.logits();
  return read_floats(device, view.data, static_cast<size_t>(view.shape.pixels() * view.pitch),
                     view.dtype);
}

std::vector<float> Executor::logits(const PreparedSet& set) {
  std::vector<float> all;
  impl_->write(impl_->evaluation_state, {});
  impl_->for_each_evaluation_batch(set, false, [&](Program& program) {
    const std::vector<float> some = impl_->read_logits(program);
    all.insert(all.end(), some.begin(), some.end());
  });
  return all;
}

std::vector<float> Executor::logits(std::span<const float> images, int64_t count) {
  Impl& impl = *impl_;
  const int64_t each = impl.image.per_sample();
  if (static_cast<int64_t>(images.size()) != count * each) {
    fail(ExitCode::internal, "expected {} images of {}", count, to_string(impl.image));
  }
  std::vector<float> all;
  for (int64_t begin = 0; begin < count; begin += impl.evaluation_batch) {
    const int64_t size = std::min(impl.evaluation_batch, count - begin);
    Program& program = impl.program(size, Mode::evaluation);
    impl.prepare();
    impl.point(program, impl.evaluation_state, false);
    impl.copy_batch(
        images.subspan(static_cast<size_t>(begin * each), static_cast<size_t>(size * each)), {},
        program);
    program.forward(false);
    const std::vector<float> some = impl.read_logits(program);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

double Executor::gradients(std::span<const float> images, std::span<const int32_t> labels,
                           bool dropout, std::vector<NamedTensor>& gradients) {
  Impl& impl = *impl_;
  impl.require_training();
  Program& program =
      impl.program(impl.batch, dropout ? Mode::training : Mode::training_without_dropout);
  impl.prepare();
  const StepState training = impl.read(impl.state);
  impl.write(impl.evaluation_state, {.epoch = training.epoch});
  impl.point(program, impl.evaluation_state, true);
  impl.copy_batch(images, labels, program);
  impl.keep_state_parameters();
  program.forward(true);
  program.backward();
  impl.restore_state_parameters();
  gradients = impl.store.export_gradients();
  return totals_of(impl.read(impl.evaluation_state)).loss;
}

double Executor::step_on(std::span<const float> images, std::span<const int32_t> labels,
                         double learning_rate, bool dropout) {
  Impl& impl = *impl_;
  impl.require_training();
  Program& program =
      impl.program(impl.batch, dropout ? Mode::training : Mode::training_without_dropout);
  impl.prepare();
  impl.point(program, impl.state, true);
  impl.copy_batch(images, labels, program);
  impl.begin_steps(1, [learning_rate](uint64_t) { return learning_rate; });
  impl.step(program, 0);
  const StepState after = impl.read(impl.state);
  if (after.nonfinite) return std::numeric_limits<double>::quiet_NaN();
  return (after.loss_sum - after.loss_before) / static_cast<double>(impl.batch);
}

}  // namespace engine
