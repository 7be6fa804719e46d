#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "engine/core/json.h"
#include "engine/core/keys_reader.h"
#include "tests/support/op_harness.h"
#include "tests/support/tested_device.h"

namespace engine::test {

std::ostream& operator<<(std::ostream& stream, const OpRow& row) {
  stream << row.op << " " << row.attributes;
  for (const Shape& input : row.inputs) stream << " " << input.n << "x" << to_string(input);
  return stream;
}

const Registry& registry() {
  static const Registry registry = tested_registry();
  return registry;
}

std::unique_ptr<Op> configure_op(const std::string& name, const std::string& attributes) {
  std::unique_ptr<Op> op = registry().op(name)->make();
  Problems problems;
  const Value value = parse_json_or_throw(attributes, "attributes", ExitCode::experiment);
  ReadKeys reader(value, name, problems);
  op->keys(reader);
  reader.finish();
  problems.throw_if_any();
  return op;
}

namespace {

/// The generator's own normals: the standard library's differ between implementations.
class Draws {
 public:
  explicit Draws(uint64_t seed) : engine_(seed) {}
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53; }
  /// As float32 holds it, so that kernels and reference start from the same numbers.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return static_cast<float>(radius * std::cos(6.283185307179586 * uniform()));
  }
  Doubles normals(size_t count) {
    Doubles values(count);
    for (double& value : values) value = normal();
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

uint64_t hash_of(const OpRow& row) {
  std::ostringstream text;
  text << row;
  return random_stream("row", text.str());
}

}  // namespace

RowInputs make_inputs(const OpRow& row, bool training) {
  Draws draws(hash_of(row));
  RowInputs inputs;
  ReferenceSetup& setup = inputs.setup;
  setup.attributes = parse_json_or_throw(row.attributes, "attributes", ExitCode::experiment);
  setup.inputs = row.inputs;
  setup.classes = row.classes;
  setup.training = training;
  setup.node = "block.node";
  setup.seed = 7;
  setup.epoch = 3;
  const int64_t classes = row.op == "dense_loss" ? row.classes : row.inputs[0].c;
  for (int64_t n = 0; n < row.inputs[0].n; ++n) {
    setup.samples.push_back(static_cast<int32_t>(draws.uniform() * 60000));
    setup.labels.push_back(static_cast<int32_t>(draws.uniform() * static_cast<double>(classes)));
  }
  for (const Shape& input : row.inputs) {
    inputs.values.x.push_back(draws.normals(static_cast<size_t>(input.elements())));
  }
  const std::unique_ptr<ReferenceOp> reference = make_reference(row.op, setup);
  for (const std::vector<int64_t>& dims : reference->parameter_dims()) {
    size_t count = 1;
    for (int64_t dim : dims) count *= static_cast<size_t>(dim);
    Doubles values = draws.normals(count);
    // Weights as small as initializers make them: the arguments of activations are about 1.
    const double fan_in = static_cast<double>(count) / static_cast<double>(dims[0]);
    for (double& value : values) value = static_cast<float>(value / std::sqrt(fan_in));
    inputs.values.parameters.push_back(values);
  }
  if (row.op == "batch_normalization") {
    for (double& variance : inputs.values.parameters[3])
      variance = static_cast<float>(std::abs(variance) + 0.25);
  }
  inputs.dy = draws.normals(static_cast<size_t>(reference->output().elements()));
  leave_out_jumps(*reference, inputs);
  return inputs;
}

void leave_out_jumps(const ReferenceOp& reference, RowInputs& inputs) {
  const Doubles argument = reference.relu_argument(inputs.values);
  for (size_t i = 0; i < argument.size(); ++i) {
    if (std::abs(argument[i]) < 1e-3) inputs.dy[i] = 0;
  }
}

namespace {

/// Compares some elements of one gradient with central differences.
void check_gradient(const ReferenceOp& reference, ReferenceTensors& values, const Doubles& dy,
                    Doubles& at, const Doubles& gradient, const std::string& what) {
  constexpr double kStep = 1e-6;
  const size_t stride = std::max<size_t>(1, gradient.size() / 12);
  for (size_t i = 0; i < gradient.size(); i += stride) {
    const double before = at[i];
    at[i] = before + kStep;
    const double above = reference.objective(values, dy);
    at[i] = before - kStep;
    const double below = reference.objective(values, dy);
    at[i] = before;
    const double difference = (above - below) / (2 * kStep);
    EXPECT_NEAR(gradient[i], difference, 1e-5 + 1e-3 * std::abs(difference)) << what << " " << i;
  }
}

}  // namespace

void check_reference(const OpRow& row) {
  for (const bool training : {true, false}) {
    RowInputs inputs = make_inputs(row, training);
    const std::unique_ptr<ReferenceOp> reference = make_reference(row.op, inputs.setup);
    const ReferenceTensors d = reference->backward(inputs.values, inputs.dy);
    for (size_t i = 0; i < d.x.size(); ++i) {
      check_gradient(*reference, inputs.values, inputs.dy, inputs.values.x[i], d.x[i],
                     "x" + std::to_string(i));
    }
    for (size_t i = 0; i < d.parameters.size(); ++i) {
      check_gradient(*reference, inputs.values, inputs.dy, inputs.values.parameters[i],
                     d.parameters[i], "parameter" + std::to_string(i));
    }
  }
}

}  // namespace engine::test
