#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/core/device_floats.h"
#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/graph/executor_impl.h"

namespace engine {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

bool all_finite(Device& device, const void* values, size_t count, DType type) {
  const std::vector<float> host = read_floats(device, values, count, type);
  return std::all_of(host.begin(), host.end(), [](float value) { return std::isfinite(value); });
}

/// Only the view's own channels: what lies between them belongs to other tensors.
bool all_finite(Device& device, const TensorView& view) {
  if (!view) return true;
  const auto pixels = static_cast<size_t>(view.shape.pixels());
  const auto channels = static_cast<size_t>(view.shape.c), pitch = static_cast<size_t>(view.pitch);
  const std::vector<float> host =
      read_floats(device, view.data, (pixels - 1) * pitch + channels, view.dtype);
  for (size_t pixel = 0; pixel < pixels; ++pixel) {
    for (size_t c = 0; c < channels; ++c) {
      if (!std::isfinite(host[pixel * pitch + c])) return false;
    }
  }
  return true;
}

/// Runs a batch node by node and stops at the first value that is not finite.
class Finder {
 public:
  Finder(Program& program, Device& device, const ParameterStore& store)
      : program_(program), device_(device), store_(store) {}

  std::string find() {
    if (!all_finite(device_, program_.input())) return "the network's input (images)";
    for (size_t i = 0; i < program_.nodes(); ++i) {
      if (auto found = forward(i); !found.empty()) return found;
    }
    for (size_t i = program_.nodes(); i-- > 0;) {
      if (auto found = backward(i); !found.empty()) return found;
    }
    return {};
  }

 private:
  std::string forward(size_t i) {
    const std::string& name = program_.node(i).name;
    for (const size_t p : program_.parameters_of(i)) {
      const StoredParameter& parameter = store_.list()[p];
      if (!finite(parameter, store_.parameter(p), DType::f32)) {
        return fmt::format("{} ({})", name, parameter.spec.name);
      }
    }
    if (!program_.runs_forward(i)) return {};
    program_.forward_node(i);
    device_.synchronize();
    const ForwardArgs& args = program_.forward_args(i);
    if (!all_finite(device_, args.y)) return fmt::format("{} (forward output)", name);
    for (const size_t p : program_.parameters_of(i)) {
      const StoredParameter& parameter = store_.list()[p];
      if (!parameter.spec.trainable && !finite(parameter, store_.parameter(p), DType::f32)) {
        return fmt::format("{} ({})", name, parameter.spec.name);
      }
    }
    if (static_cast<int>(i) != program_.graph().loss) return {};
    StepState state;
    device_.copy_to_host(&state, program_.args().state, sizeof(state));
    return std::isfinite(state.loss_sum) ? std::string() : "loss (sum over the batch)";
  }

  std::string backward(size_t i) {
    if (!program_.runs_backward(i)) return {};
    program_.backward_node(i);
    device_.synchronize();
    const std::string& name = program_.node(i).name;
    for (const TensorView& dx : program_.backward_args(i).dx) {
      if (!all_finite(device_, dx)) return fmt::format("{} (gradient of its input)", name);
    }
    for (const size_t p : program_.parameters_of(i)) {
      const StoredParameter& parameter = store_.list()[p];
      if (parameter.spec.trainable && !finite(parameter, store_.gradient(p), store_.storage())) {
        return fmt::format("{} (gradient of {})", name, parameter.spec.name);
      }
    }
    return {};
  }

  bool finite(const StoredParameter& parameter, const void* values, DType type) const {
    return all_finite(device_, values, static_cast<size_t>(parameter.stored), type);
  }

  Program& program_;
  Device& device_;
  const ParameterStore& store_;
};

void fill_input(Device& device, Program& program, uint32_t seed) {
  std::vector<float> images(static_cast<size_t>(program.graph().input.elements()));
  const RandomKey key{seed, random_stream("time_nodes", "input")};
  for (size_t e = 0; e < images.size(); ++e) {
    images[e] = uniform_from_bits(key.draw(static_cast<uint32_t>(e / 4), 0, 0).word[e % 4]);
  }
  write_floats(device, program.input().data, images, program.input().dtype);
}

}  // namespace

std::string Executor::find_nonfinite() {
  Impl& impl = *impl_;
  impl.require_training();
  if (!impl.set) return {};
  const StepState now = impl.read(impl.state);
  const int64_t count = std::min(impl.batch, impl.rows - static_cast<int64_t>(now.position));
  if (count <= 0) return {};
  Program& program = impl.training_program(count);
  impl.prepare();
  impl.write(impl.evaluation_state,
             {.epoch = now.epoch, .step = now.step, .position = now.position});
  impl.point(program, impl.evaluation_state, true);
  impl.gather(*impl.set, impl.order, impl.evaluation_state, program);
  impl.keep_state_parameters();
  std::string found = Finder(program, impl.device, impl.store).find();
  impl.restore_state_parameters();
  if (!found.empty()) return found;
  // Every value is finite, so their squares' sum is not.
  return std::isfinite(now.gradient_norm) ? "" : "the gradient's norm (every gradient is finite)";
}

std::vector<NodeTime> Executor::time_nodes(int repetitions) {
  Impl& impl = *impl_;
  const bool training = impl.optimizer != nullptr;
  Program& program = training ? impl.program(impl.batch, Mode::training)
                              : impl.program(impl.evaluation_batch, Mode::evaluation);
  impl.prepare();
  const ParameterStore::Snapshot snapshot = impl.store.take();
  impl.write(impl.evaluation_state, {});
  impl.point(program, impl.evaluation_state, true);
  impl.device.zero(impl.labels.data(), impl.labels.bytes());
  std::vector<NodeTime> times(program.nodes());
  double gather_ms = 0, update_ms = 0;
  const bool gathers = training && impl.set && impl.rows >= impl.batch;
  const auto timed = [&](bool counts, double& sum, const auto& call) {
    const auto begin = Clock::now();
    call();
    impl.device.synchronize();
    if (counts) sum += milliseconds(Clock::now() - begin);
  };
  for (int repetition = -1; repetition < repetitions; ++repetition) {  // the first only warms up
    const bool counts = repetition >= 0;
    impl.write(impl.evaluation_state, {});
    if (gathers) {
      timed(counts, gather_ms,
            [&] { impl.gather(*impl.set, impl.order, impl.evaluation_state, program); });
    } else {
      fill_input(impl.device, program, impl.seed);
    }
    for (size_t i = 0; i < program.nodes(); ++i) {
      if (!program.runs_forward(i)) continue;
      timed(counts, times[i].forward_ms, [&] { program.forward_node(i); });
    }
    if (const TensorView seed = program.seed(); seed) {
      impl.device.zero(seed.data, static_cast<size_t>(seed.shape.elements()) * size_of(seed.dtype));
    }
    for (size_t i = program.nodes(); training && i-- > 0;) {
      if (!program.runs_backward(i)) continue;
      timed(counts, times[i].backward_ms, [&] { program.backward_node(i); });
    }
    if (!training) continue;
    timed(counts, update_ms, [&] { impl.update(impl.evaluation_state, impl.batch); });
  }
  impl.store.put_back(snapshot);
  std::vector<NodeTime> result;
  if (gathers) {
    result.push_back(
        {.node = "gather", .op = "preprocess", .forward_ms = gather_ms / std::max(repetitions, 1)});
  }
  for (size_t i = 0; i < program.nodes(); ++i) {
    if (!program.runs_forward(i) && !(training && program.runs_backward(i))) continue;
    const Node& node = program.node(i);
    result.push_back({.node = node.name,
                      .op = std::string(node.op->type()),
                      .implementation = program.implementation(i),
                      .forward_ms = times[i].forward_ms / std::max(repetitions, 1),
                      .backward_ms = times[i].backward_ms / std::max(repetitions, 1)});
  }
  if (training) {
    result.push_back({.node = "optimizer",
                      .op = std::string(impl.optimizer->type()),
                      .backward_ms = update_ms / std::max(repetitions, 1)});
  }
  return result;
}

}  // namespace engine
