#include "tests/support/op_harness.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/bf16.h"
#include "engine/cpu/cpu_device.h"
#include "tests/support/op_runner.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

double norm(const Doubles& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

/// scale: the least size of what the error is compared with.
void expect_close(const Floats& got, const Doubles& wanted, double tolerance,
                  const std::string& what, double scale = 1e-3) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  Doubles error(got.size());
  for (size_t i = 0; i < got.size(); ++i) {
    error[i] = got[i] - wanted[i];
    ASSERT_FALSE(std::isnan(got[i])) << what << ": element " << i << " is NaN or was not written";
  }
  EXPECT_LE(norm(error), tolerance * std::max(norm(wanted), scale)) << what;
  note_error(norm(error) / std::max(norm(wanted), scale));
}

void expect_same_bits(const Outcome& a, const Outcome& b, const std::string& what) {
  EXPECT_TRUE(same_bits(a.y, b.y)) << what << ": y";
  for (size_t i = 0; i < a.dx.size(); ++i) {
    EXPECT_TRUE(same_bits(a.dx[i], b.dx[i])) << what << ": dx" << i;
  }
  for (size_t i = 0; i < a.dparameters.size(); ++i) {
    EXPECT_TRUE(same_bits(a.dparameters[i], b.dparameters[i])) << what << ": dparameter" << i;
  }
  EXPECT_EQ(a.state.loss_sum, b.state.loss_sum) << what;
}

/// What a tensor of that precision holds of given values.
void round_to(Precision precision, Doubles& values) {
  if (precision != Precision::bf16) return;
  for (double& value : values) value = to_float(to_bf16(static_cast<float>(value)));
}

/// A row's numbers and what the reference makes of them.
struct Expected {
  Expected(const OpRow& row, bool training, Precision precision)
      : inputs(make_inputs(row, training)) {
    for (Doubles& x : inputs.values.x) round_to(precision, x);
    for (Doubles& parameter : inputs.values.parameters) round_to(precision, parameter);
    round_to(precision, inputs.dy);
    const std::unique_ptr<ReferenceOp> reference = make_reference(row.op, inputs.setup);
    leave_out_jumps(*reference, inputs);  // rounding has moved the values
    y = reference->forward(inputs.values);
    parameters = reference->parameters_after(inputs.values);
    is_loss = reference->is_loss();
    if (is_loss) loss = reference->objective(inputs.values, inputs.dy);
    gradients = reference->backward(inputs.values, inputs.dy);
    if (row.op == "split") {  // the runner gives it the same gradient from every user
      for (double& value : gradients.x[0]) value *= number_or(inputs.setup.attributes, "copies", 1);
    }
  }

  RowInputs inputs;
  Doubles y;
  std::vector<Doubles> parameters;
  bool is_loss;
  double loss = 0;  ///< mean
  ReferenceTensors gradients;
};

double tolerance_of(const OpRow& row, Precision precision) {
  constexpr double kTf32 = 1e-3, kBf16 = 1e-2;
  if (precision == Precision::fp32) return row.tolerance;
  return std::max(row.tolerance, precision == Precision::tf32 ? kTf32 : kBf16);
}

void expect_parity(const OpRow& row, const Expected& expected, const Variant& variant,
                   const Outcome& got) {
  const double tolerance = tolerance_of(row, variant.precision);
  expect_close(got.y, expected.y, tolerance, "y");
  for (size_t i = 0; i < expected.parameters.size(); ++i) {
    expect_close(got.parameters[i], expected.parameters[i], tolerance,
                 "parameter" + std::to_string(i) + " afterwards");
  }
  if (expected.is_loss) {
    const double loss = expected.loss * static_cast<double>(row.inputs[0].n);
    EXPECT_NEAR(got.state.loss_sum, loss, 1e-6 * std::abs(loss));
    EXPECT_EQ(got.state.seen, static_cast<uint64_t>(row.inputs[0].n));
    EXPECT_EQ(got.state.nonfinite, 0u);
  }
  if (!variant.setup_training) return;
  const ReferenceTensors& d = expected.gradients;
  for (size_t i = 0; i < d.x.size() && variant.needs_dx; ++i) {
    expect_close(got.dx[i], d.x[i], tolerance, "dx" + std::to_string(i));
  }
  // A parameter's gradient is a sum over the batch: its error is that of the terms, even where they
  // happen to cancel out.
  const double scale = 0.1 * norm(expected.inputs.dy);
  for (size_t i = 0; i < d.parameters.size(); ++i) {
    expect_close(got.dparameters[i], d.parameters[i], tolerance, "dparameter" + std::to_string(i),
                 scale);
  }
}

/// All that can go wrong in single precision; in others what their types and access widths change.
std::vector<Variant> variants_of(const Op& op, const Kernel& kernel, Precision precision) {
  std::vector<Variant> variants{{.name = "training"}};
  if (precision == Precision::fp32) {
    variants.push_back(
        {.name = "training without dropout and batch statistics", .training = false});
    variants.push_back({.name = "no dx", .needs_dx = false});
    if (op.in_place()) variants.push_back({.name = "in place", .in_place = true});
    if (kernel.takes_pitch()) variants.push_back({.name = "pitched by 32", .gap = 32});
  }
  if (precision != Precision::tf32) {
    variants.push_back({.name = "evaluation", .setup_training = false, .training = false});
    if (kernel.takes_pitch()) variants.push_back({.name = "pitched by 3", .gap = 3});
    if (op.in_place() && kernel.takes_pitch()) {
      variants.push_back({.name = "in place, pitched", .in_place = true, .gap = 8});
    }
  }
  for (Variant& variant : variants) variant.precision = precision;
  return variants;
}

/// oneDNN cuts sums by the number of threads, so there the bits may differ.
bool own_code(const Kernel& kernel) {
  return kernel.implementation().find("oneDNN") == std::string::npos;
}

void check_variant(const OpRow& row, const Op& op, const Expected& expected, KernelFactory factory,
                   Device& device, const Variant& variant) {
  SCOPED_TRACE(variant.name);
  set_threads(1);
  OpRunner bench(row, op, expected.inputs, factory, device, variant);
  const Outcome first = bench.run();
  expect_parity(row, expected, variant, first);
  expect_same_bits(first, bench.run(), "a second run");
  set_threads(2);
  OpRunner other(row, op, expected.inputs, factory, device, variant);
  const Outcome second = other.run();
  if (own_code(other.kernel())) {
    expect_same_bits(first, second, "two threads");
  } else {
    expect_parity(row, expected, variant, second);
    expect_same_bits(second, other.run(), "a second run of two threads");
  }
  set_threads(1);
}

void check_on(const OpRow& row, KernelFactory factory, Device& device, Precision precision) {
  SCOPED_TRACE(to_string(precision));
  const std::unique_ptr<Op> op = configure_op(row.op, row.attributes);
  const Expected in_training(row, true, precision), in_evaluation(row, false, precision);
  OpRunner probe(row, *op, in_training.inputs, factory, device, {.precision = precision});
  for (Variant variant : variants_of(*op, probe.kernel(), precision)) {
    variant.needs_dx = variant.needs_dx && row.needs_dx;
    const Expected& expected = variant.training ? in_training : in_evaluation;
    check_variant(row, *op, expected, factory, device, variant);
  }
}

}  // namespace

void check_op(const OpRow& row) {
  SCOPED_TRACE(testing::PrintToString(row));
  const OpEntry* entry = registry().op(row.op);
  ASSERT_NE(entry, nullptr);
  ASSERT_NE(tested(*entry), nullptr);
  const std::unique_ptr<Device> device = make_tested_device();
  for (const Precision precision : tested_precisions()) {
    check_on(row, tested(*entry), *device, precision);
  }
}

}  // namespace engine::test
