// Optimizers against double-precision loops written from their papers' formulas, over 50 steps.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <random>

#include "engine/core/bf16.h"
#include "engine/core/json.h"
#include "engine/core/keys_reader.h"
#include "engine/cpu/cpu_device.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/on_device.h"
#include "tests/support/op_harness.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

using Floats = std::vector<float>;

std::unique_ptr<Optimizer> configure(const std::string& type, const std::string& keys) {
  std::unique_ptr<Optimizer> optimizer = registry().optimizer(type)->make();
  Problems problems;
  const Value value = parse_json_or_throw(keys, "keys", ExitCode::experiment);
  ReadKeys reader(value, type, problems);
  optimizer->keys(reader);
  reader.finish();
  problems.throw_if_any();
  return optimizer;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// An optimizer on the tested device with its arenas between guards.
class Arena {
 public:
  Arena(const std::string& type, const std::string& keys, const Floats& parameters,
        DType gradients = DType::f32)
      : device_(make_tested_device()),
        optimizer_(configure(type, keys)),
        kernel_(tested(*registry().optimizer(type))(*optimizer_, *device_)) {
    const Shape shape{1, 1, 1, static_cast<int64_t>(parameters.size())};
    for (int i = 0; i < 2 + optimizer_->moments(); ++i) {
      arenas_.emplace_back(*device_, shape, 0, i == 1 ? gradients : DType::f32);
      arenas_.back().write(Floats(parameters.size(), 0));
    }
    if (gradients != DType::f32) operands_.emplace(*device_, shape, 0, gradients);
    arenas_[0].write(parameters);
    learning_rate = static_cast<float>(optimizer_->learning_rate);
  }

  void step(const Floats& gradients) {
    arenas_[1].write(gradients);
    std::vector<float*> moments;
    for (size_t i = 2; i < arenas_.size(); ++i) moments.push_back(arenas_[i].data());
    state.rates_from = state.step;
    const OnDevice<StepState> at(*device_, {state});
    const OnDevice<float> rates(*device_, {learning_rate});
    const OnDevice<float> statistics(*device_, running), before(*device_, running_before);
    kernel_->update({.state = at.data(),
                     .learning_rates = rates.data(),
                     .samples = 7,
                     .parameters = arenas_[0].data(),
                     .operands = operands_ ? operands_->view().data : nullptr,
                     .gradients = arenas_[1].view().data,
                     .gradient_type = arenas_[1].view().dtype,
                     .moments = moments.data(),
                     .elements = static_cast<int64_t>(gradients.size()),
                     .state_parameters = statistics.data(),
                     .state_parameters_before = before.data(),
                     .state_elements = static_cast<int64_t>(running.size())});
    state = at.read()[0];
    running = statistics.read();
    for (const GuardedTensor& arena : arenas_) EXPECT_TRUE(arena.intact());
    EXPECT_EQ(std::memcmp(arenas_[1].read().data(), gradients.data(), gradients.size() * 4), 0);
  }
  Floats parameters() const { return arenas_[0].read(); }
  /// The parameters rounded to bf16, as the update left them.
  Floats operands() const {
    EXPECT_TRUE(operands_->intact());
    return operands_->read();
  }
  std::vector<Floats> all() const {
    std::vector<Floats> values;
    for (const GuardedTensor& arena : arenas_) values.push_back(arena.read());
    return values;
  }

  StepState state;
  float learning_rate = 0;
  Floats running{1, 2, 3}, running_before{4, 5, 6};

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<OptimizerKernel> kernel_;
  std::optional<GuardedTensor> operands_;  ///< where gradients are bf16
  std::vector<GuardedTensor> arenas_;
};

Floats random_floats(size_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  Floats values(count);
  for (float& value : values) value = static_cast<float>(engine()) / 2147483648.0f - 1.0f;
  return values;
}

double norm(const Floats& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

/// One parameter of the reference: t counts from 1.
struct Numbers {
  double p, m = 0, v = 0;
};
using Rule = std::function<void(Numbers&, double gradient, double rate, double t)>;

void check_rule_for(size_t count, DType type_of_gradients, const std::string& type,
                    const std::string& keys, double clip_norm, const Rule& rule) {
  SCOPED_TRACE(fmt::format("{} {} {} {}", type, keys, count, to_string(type_of_gradients)));
  const bool rounds = type_of_gradients == DType::bf16;
  const Floats start = random_floats(count, 1);
  Arena arena(type, keys, start, type_of_gradients);
  std::vector<Numbers> wanted(count);
  for (size_t i = 0; i < count; ++i) wanted[i].p = start[i];
  for (uint32_t t = 1; t <= 50; ++t) {
    Floats gradients = random_floats(count, 100 + t);
    for (float& gradient : gradients) {
      if (rounds) gradient = to_float(to_bf16(gradient));
    }
    arena.learning_rate = 0.01f / static_cast<float>(t);  // schedules change it
    const double length = norm(gradients);
    const double scale = clip_norm > 0 && length > clip_norm ? clip_norm / length : 1;
    for (size_t i = 0; i < count; ++i) {
      rule(wanted[i], gradients[i] * scale, arena.learning_rate, t);
    }
    arena.step(gradients);
    EXPECT_NEAR(arena.state.gradient_norm, length, 1e-12 * length);
    EXPECT_EQ(arena.state.step, t);
    EXPECT_EQ(arena.state.position, 7 * t);
    EXPECT_EQ(arena.state.learning_rate, arena.learning_rate);
  }
  EXPECT_EQ(arena.running, (Floats{1, 2, 3}));
  const Floats got = arena.parameters();
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    ASSERT_NEAR(got[i], wanted[i].p, 2e-6) << i;
    worst = std::max(worst, std::abs(got[i] - wanted[i].p));
  }
  note_error(worst);
  if (!rounds) return;
  const Floats operands = arena.operands();
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(operands[i], to_float(to_bf16(got[i]))) << i;
}

void check_rule(const std::string& type, const std::string& keys, double clip_norm,
                const Rule& rule) {
  for (const Precision precision : tested_precisions()) {
    if (precision == Precision::tf32) continue;  // all of an update is in single precision
    for (const size_t count : {1, 5, 17, 5000}) {
      check_rule_for(count, storage_type(precision), type, keys, clip_norm, rule);
    }
  }
}

Rule sgd(double momentum, bool nesterov, double decay) {
  return [=](Numbers& n, double g, double rate, double) {
    g += decay * n.p;
    n.m = momentum * n.m + g;
    n.p -= rate * (nesterov ? g + momentum * n.m : n.m);
  };
}

Rule adam(double b1, double b2, double epsilon, double l2, double decoupled) {
  return [=](Numbers& n, double g, double rate, double t) {
    n.p -= rate * decoupled * n.p;
    g += l2 * n.p;
    n.m = b1 * n.m + (1 - b1) * g;
    n.v = b2 * n.v + (1 - b2) * g * g;
    const double m = n.m / (1 - std::pow(b1, t)), v = n.v / (1 - std::pow(b2, t));
    n.p -= rate * m / (std::sqrt(v) + epsilon);
  };
}

TEST(optimizers, sgd) {
  check_rule("sgd", "{}", 0, sgd(0, false, 0));
  check_rule("sgd", R"({"weight_decay": 0.3})", 0, sgd(0, false, 0.3));
  check_rule("sgd", R"({"momentum": 0.9})", 0, sgd(0.9, false, 0));
  check_rule("sgd", R"({"momentum": 0.9, "weight_decay": 0.1})", 0, sgd(0.9, false, 0.1));
  check_rule("sgd", R"({"momentum": 0.8, "nesterov": true})", 0, sgd(0.8, true, 0));
}

TEST(optimizers, rmsprop) {
  for (const double momentum : {0.0, 0.7}) {
    const std::string keys = fmt::format(
        R"({{"rho": 0.95, "epsilon": 1e-4, "momentum": {}, "weight_decay": 0.1}})", momentum);
    check_rule("rmsprop", keys, 0, [=](Numbers& n, double g, double rate, double) {
      g += 0.1 * n.p;
      n.v = 0.95 * n.v + 0.05 * g * g;
      n.m = momentum * n.m + g / (std::sqrt(n.v) + 1e-4);
      n.p -= rate * n.m;
    });
  }
}

TEST(optimizers, adam_and_adamw) {
  check_rule("adam", "{}", 0, adam(0.9, 0.999, 1e-7, 0, 0));
  check_rule("adam", R"({"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.2})", 0,
             adam(0.5, 0.9, 1e-3, 0.2, 0));
  check_rule("adamw", "{}", 0, adam(0.9, 0.999, 1e-7, 0, 0.01));
  check_rule("adamw", R"({"weight_decay": 0.5})", 0, adam(0.9, 0.999, 1e-7, 0, 0.5));
}

TEST(optimizers, clipping_scales_to_the_norm) {
  check_rule("sgd", R"({"clip_norm": 0.7})", 0.7, sgd(0, false, 0));
  check_rule("sgd", R"({"clip_norm": 20, "momentum": 0.9})", 20, sgd(0.9, false, 0));
  check_rule("adam", R"({"clip_norm": 0.01, "epsilon": 0.01})", 0.01, adam(0.9, 0.999, 0.01, 0, 0));
}

TEST(optimizers, change_nothing_when_a_gradient_is_not_finite) {
  for (const OptimizerEntry& entry : registry().optimizers) {
    for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
      for (const size_t place : {0, 4321, 9999}) {
        Arena arena(std::string(entry.name), "{}", random_floats(10000, 5));
        arena.step(random_floats(10000, 6));
        std::vector<Floats> before = arena.all();
        Floats gradients = random_floats(10000, 7);
        gradients[place] = bad;
        before[1] = gradients;
        arena.step(gradients);
        const std::vector<Floats> after = arena.all();
        for (size_t i = 0; i < after.size(); ++i) {
          EXPECT_EQ(std::memcmp(after[i].data(), before[i].data(), 40000), 0) << entry.name << i;
        }
        EXPECT_EQ(arena.state.nonfinite, 1u);
        EXPECT_EQ(arena.state.step, 1u);
      }
    }
  }
}

TEST(optimizers, take_the_step_back_when_the_loss_was_not_finite) {
  Arena arena("sgd", "{}", {1, 2, 3});
  arena.state = {.position = 40, .loss_sum = kInfinity, .correct = 9, .seen = 50};
  arena.state.nonfinite = 1;
  arena.state.loss_before = 12.5;
  arena.state.correct_before = 5;
  arena.state.seen_before = 43;
  arena.step({1, 1, 1});
  EXPECT_EQ(arena.parameters(), (Floats{1, 2, 3}));
  EXPECT_EQ(arena.running, arena.running_before);
  EXPECT_EQ(arena.state.step, 0u);
  EXPECT_EQ(arena.state.position, 40u);
  EXPECT_EQ(arena.state.loss_sum, 12.5);
  EXPECT_EQ(arena.state.correct, 5u);
  EXPECT_EQ(arena.state.seen, 43u);
}

TEST(optimizers, see_a_parameter_that_is_not_finite) {
  for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const size_t place : {0, 5000, 9999}) {
      Floats parameters = random_floats(10000, 5);
      parameters[place] = bad;
      Arena arena("adam", "{}", parameters);
      arena.step(random_floats(10000, 6));
      EXPECT_EQ(arena.state.nonfinite, 1u);
      EXPECT_EQ(arena.state.step, 0u);
      EXPECT_EQ(std::memcmp(arena.parameters().data(), parameters.data(), 40000), 0);
    }
  }
}

TEST(optimizers, large_gradients_are_finite) {
  Arena arena("adam", R"({"clip_norm": 1})", Floats(100, 1));
  arena.step(Floats(100, 3e38f));  // their squares overflow float32
  EXPECT_EQ(arena.state.nonfinite, 0u);
  EXPECT_NEAR(arena.state.gradient_norm, 3e39, 1e33);
  for (const float p : arena.parameters()) EXPECT_NEAR(p, 0.999, 1e-5);
}

TEST(optimizers, leave_zeros_alone) {
  // Elements of a stored parameter that stand for nothing are 0, and so are their gradients.
  for (const OptimizerEntry& entry : registry().optimizers) {
    Arena arena(std::string(entry.name), R"({"weight_decay": 0.1})", Floats(100, 0));
    for (int t = 0; t < 5; ++t) arena.step(Floats(100, 0));
    EXPECT_EQ(arena.parameters(), Floats(100, 0)) << entry.name;
  }
}

TEST(optimizers, same_bits_for_every_thread_count) {
  for (const OptimizerEntry& entry : registry().optimizers) {
    std::vector<std::vector<Floats>> results;
    std::vector<double> norms;
    for (const int count : {1, 2, 3}) {
      set_threads(count);
      Arena arena(std::string(entry.name), R"({"clip_norm": 1})", random_floats(100003, 8));
      for (uint32_t t = 0; t < 3; ++t) arena.step(random_floats(100003, 9 + t));
      results.push_back(arena.all());
      norms.push_back(arena.state.gradient_norm);
    }
    set_threads(0);
    EXPECT_EQ(results[0], results[1]) << entry.name;
    EXPECT_EQ(results[0], results[2]) << entry.name;
    EXPECT_EQ(norms[0], norms[2]);
  }
}

TEST(optimizers, refuse_bad_settings) {
  for (const auto& [type, keys] :
       std::vector<std::pair<std::string, std::string>>{{"adam", R"({"beta1": 1})"},
                                                        {"adam", R"({"beta2": -0.1})"},
                                                        {"adam", R"({"epsilon": 0})"},
                                                        {"adam", R"({"learning_rate": 0})"},
                                                        {"adam", R"({"momentum": 0.9})"},
                                                        {"sgd", R"({"momentum": 1.5})"},
                                                        {"sgd", R"({"learning_rate": -1})"},
                                                        {"sgd", R"({"weight_decay": -1})"},
                                                        {"sgd", R"({"clip_norm": -1})"},
                                                        {"rmsprop", R"({"rho": 1})"},
                                                        {"rmsprop", R"({"nesterov": true})"},
                                                        {"adamw", R"({"beta1": "0.9"})"}}) {
    try {
      configure(type, keys);
      ADD_FAILURE() << type << " took " << keys;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::experiment);
    }
  }
}

}  // namespace
}  // namespace engine::test
