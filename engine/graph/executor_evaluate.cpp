#include <algorithm>
#include <numeric>

#include "engine/core/device_floats.h"
#include "engine/core/error.h"
#include "engine/graph/executor_impl.h"

namespace engine {

Totals Executor::Impl::totals_of(const StepState& state) {
  if (state.seen == 0) return {};
  const auto seen = static_cast<double>(state.seen);
  return {.loss = state.loss_sum / seen,
          .accuracy = static_cast<double>(state.correct) / seen,
          .samples = state.seen};
}

Recording& Executor::Impl::recorded_evaluation(Program& program, const PreparedSet& from,
                                               bool with_loss) {
  Held& kept = held(program);
  if (!kept.has_recorded(from, with_loss)) {
    const auto work = [this, &program, &from, with_loss] {
      const DeviceRange range(device, "evaluate");
      point(program, evaluation_state, with_loss);
      gather(from, evaluation_order, evaluation_state, program);
      program.forward(with_loss);
      pipeline->advance(static_cast<StepState*>(evaluation_state.data()), program.batch());
    };
    kept.keep(device.record(work), from, with_loss);
  }
  return *kept.recording;
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
    ensure(evaluation_order, bytes_of(count));
    device.copy_to_device(evaluation_order.data(), rows_of.data(), bytes_of(count));
  }
  // Epoch 0 every time: what evaluation draws, and so its figures, can be compared and repeated.
  write(evaluation_state, {});
  for (int64_t begin = 0; begin < count; begin += evaluation_batch) {
    Program& now = program(std::min(evaluation_batch, count - begin), Mode::evaluation);
    recorded_evaluation(now, from, with_loss).replay();
    after(now);
  }
}

Totals Executor::evaluate(const PreparedSet& set) {
  Impl& impl = *impl_;
  impl.require_loss();
  impl.for_each_evaluation_batch(set, true, [](Program&) {});
  return Impl::totals_of(impl.read(impl.evaluation_state));
}

std::vector<float> Executor::Impl::read_logits(Program& program) const {
  const TensorView view = program.logits();
  return read_floats(device, view.data, static_cast<size_t>(view.shape.pixels() * view.pitch),
                     view.dtype);
}

std::vector<float> Executor::logits(const PreparedSet& set) {
  std::vector<float> all;
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

}  // namespace engine
