#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/core/device_floats.h"
#include "engine/core/error.h"
#include "engine/graph/executor_impl.h"

namespace engine {

void Executor::Impl::point(Program& program, Buffer& to, bool with_labels) {
  program.args() = {.state = static_cast<StepState*>(to.data()),
                    .samples = static_cast<const int32_t*>(samples.data()),
                    .labels = with_labels ? static_cast<const int32_t*>(labels.data()) : nullptr,
                    .training = program.training()};
}

void Executor::Impl::gather(const PreparedSet& from, const Buffer& rows_of, const Buffer& at,
                            Program& program) {
  require_pipeline();
  const DeviceRange range(device, "gather");
  pipeline->gather(from, static_cast<const int32_t*>(rows_of.data()),
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
  Held& kept = held(program);
  if (!kept.has_recorded(*set, true)) {
    const auto work = [this, &program, count] {
      point(program, state, true);
      gather(*set, order, state, program);
      step(program, count);
    };
    kept.keep(device.record(work), *set, true);
  }
  return *kept.recording;
}

void Executor::Impl::ensure(Buffer& buffer, size_t bytes) {
  if (buffer.bytes() >= bytes) return;
  forget_recordings();
  buffer = Buffer();
  buffer = Buffer(device, bytes);
}

void Executor::Impl::prepare_epoch(int64_t rows_left) {
  program(batch, Mode::training);
  if (rows_left % batch != 0) program(rows_left % batch, Mode::training);
  prepare();
  const int64_t steps = (rows_left + batch - 1) / batch;
  ensure(learning_rates, bytes_of(steps));
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
  impl.ensure(impl.order, order.size_bytes());
  impl.device.copy_to_device(impl.order.data(), order.data(), order.size_bytes());
  impl.start_epoch(set, static_cast<int64_t>(order.size()), epoch);
}

void Executor::begin_epoch(const PreparedSet& set, RandomKey shuffle, uint32_t epoch) {
  Impl& impl = *impl_;
  impl.require_training();
  impl.require_pipeline();
  const int64_t count = set.count();
  impl.ensure(impl.order, bytes_of(count));
  {
    const DeviceRange range(impl.device, "shuffle");
    impl.pipeline->shuffle(count, shuffle, epoch, static_cast<int32_t*>(impl.order.data()));
  }
  impl.start_epoch(set, count, epoch);
}

void Executor::Impl::start_epoch(const PreparedSet& of, int64_t count, uint32_t epoch) {
  set = &of;
  rows = count;
  const StepState old = read(state);
  write(state, {.epoch = epoch,
                .step = old.step,
                .learning_rate = old.learning_rate,
                .gradient_norm = old.gradient_norm});
  prepare_epoch(rows);
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
  return Impl::totals_of(impl_->read(impl_->state));
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
  return Impl::totals_of(impl.read(impl.evaluation_state)).loss;
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
