#include "tests/support/op_runner.h"

#include <gtest/gtest.h>

#include <cstring>

namespace engine::test {
namespace {

Floats to_floats(const Doubles& values) {
  return {values.begin(), values.end()};
}

void upload(GuardedTensor& to, const int32_t* values) {
  Floats bits(static_cast<size_t>(to.view().shape.c));
  std::memcpy(bits.data(), values, bits.size() * sizeof(float));
  to.write(bits);
}

}  // namespace

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

OpRunner::OpRunner(const OpRow& row, const Op& op, const RowInputs& inputs, KernelFactory factory,
                   Device& device, const Variant& variant)
    : row_(row),
      op_(op),
      inputs_(inputs),
      device_(device),
      variant_(variant),
      signature_(op.infer(row.inputs, {row.classes})),
      needs_dx_(row.inputs.size(), variant.needs_dx ? 1 : 0) {
  const std::span<const bool> needs(reinterpret_cast<const bool*>(needs_dx_.data()),
                                    needs_dx_.size());
  kernel_ = factory({.op = op,
                     .node = inputs.setup.node,
                     .inputs = row.inputs,
                     .output = signature_.output,
                     .parameters = signature_.parameters,
                     .training = variant.setup_training,
                     .needs_dx = needs,
                     .seed = inputs.setup.seed,
                     .precision = variant.precision,
                     .device = device});
  const auto place = [&](const Shape& shape) {
    return TensorPlace{.pitch = shape.c + variant.gap, .channel = 0};
  };
  KernelPlaces places{.x = {}, .y = place(signature_.output)};
  for (const Shape& input : row.inputs) places.x.push_back(place(input));
  places.dx = places.x;
  places.dy = places.y;
  kernel_->plan(places);
}

Outcome OpRunner::run() {
  Outcome outcome;
  store_parameters();
  place_inputs();
  GuardedTensor saved(device_, kernel_->saved_bytes());
  GuardedTensor samples(device_, inputs_.setup.samples.size() * sizeof(int32_t));
  GuardedTensor labels(device_, inputs_.setup.labels.size() * sizeof(int32_t));
  GuardedTensor state(device_, sizeof(StepState));
  StepState start{.epoch = inputs_.setup.epoch};
  upload(samples, inputs_.setup.samples.data());
  upload(labels, inputs_.setup.labels.data());
  device_.copy_to_device(state.data(), &start, sizeof(start));
  const Batch batch{static_cast<StepState*>(state.view().data),
                    static_cast<int32_t*>(samples.view().data),
                    static_cast<int32_t*>(labels.view().data), variant_.training};
  void* keep = kernel_->saved_bytes() ? saved.view().data : nullptr;
  forward(batch, keep, outcome);
  if (variant_.setup_training) backward(batch, keep, outcome);
  device_.copy_to_host(&outcome.state, state.data(), sizeof(StepState));
  for (const GuardedTensor* each : {&saved, &samples, &labels, &state}) {
    EXPECT_TRUE(each->intact()) << "wrote outside of saved memory or batch";
  }
  load_parameters(outcome);
  return outcome;
}

GuardedTensor OpRunner::tensor(const Shape& shape) {
  return GuardedTensor(device_, shape, variant_.gap ? shape.c + variant_.gap : 0, storage());
}

/// y; a loss's is always float32.
GuardedTensor OpRunner::output() {
  if (row_.op == "softmax_cross_entropy" || row_.op == "dense_loss")
    return GuardedTensor(device_, signature_.output);
  return tensor(signature_.output);
}

void OpRunner::place_inputs() {
  x_.clear();
  for (size_t i = 0; i < row_.inputs.size(); ++i) {
    x_.push_back(tensor(row_.inputs[i]));
    x_.back().write(to_floats(inputs_.values.x[i]));
  }
}

void OpRunner::store_parameters() {
  parameters_.clear();
  operands_.clear();
  used_.clear();
  for (size_t i = 0; i < signature_.parameters.size(); ++i) {
    const size_t count = static_cast<size_t>(kernel_->stored_elements(i));
    const Floats ones(inputs_.values.parameters[i].size(), 1.0f);
    Floats used(count), stored(count);
    kernel_->import_parameter(i, ones.data(), used.data());
    kernel_->import_parameter(i, to_floats(inputs_.values.parameters[i]).data(), stored.data());
    parameters_.emplace_back(device_, count * sizeof(float));
    parameters_.back().write(stored);
    if (storage() != DType::f32) {
      operands_.emplace_back(device_, parameters_.back().view().shape, 0, storage());
      operands_.back().write(stored);
    }
    used_.push_back(used);
  }
}

void OpRunner::load_parameters(Outcome& outcome) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    EXPECT_TRUE(parameters_[i].intact());
    outcome.parameters.emplace_back(inputs_.values.parameters[i].size());
    kernel_->export_parameter(i, parameters_[i].read().data(), outcome.parameters[i].data());
  }
}

std::vector<float*> OpRunner::parameter_pointers() {
  std::vector<float*> pointers;
  for (const GuardedTensor& parameter : parameters_) pointers.push_back(parameter.data());
  return pointers;
}

std::vector<const void*> OpRunner::operand_pointers() {
  std::vector<const void*> pointers;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const GuardedTensor& from = operands_.empty() ? parameters_[i] : operands_[i];
    pointers.push_back(signature_.parameters[i].trainable ? from.view().data : nullptr);
  }
  return pointers;
}

void OpRunner::forward(const Batch& batch, void* saved, Outcome& outcome) {
  std::vector<TensorView> x;
  for (const GuardedTensor& each : x_) x.push_back(each.view());
  y_ = std::make_unique<GuardedTensor>(output());
  const TensorView y = variant_.in_place ? x[0] : y_->view();
  const std::vector<float*> parameters = parameter_pointers();
  const std::vector<const void*> operands = operand_pointers();
  const GuardedTensor workspace(device_, kernel_->workspace_bytes());
  kernel_->forward({batch, x, y, parameters, operands, workspace.view().data, saved});
  EXPECT_TRUE(workspace.intact()) << "forward wrote outside of the workspace";
  if (variant_.in_place) y_->write(x_[0].read());
  outcome.y = y_->read();
  EXPECT_TRUE(y_->intact()) << "forward wrote outside of y";
  for (size_t i = variant_.in_place ? 1 : 0; i < x_.size(); ++i) expect_untouched(i);
}

void OpRunner::expect_untouched(size_t i) {
  EXPECT_TRUE(x_[i].intact()) << "wrote outside of x" << i;
  EXPECT_TRUE(same_bits(x_[i].read(), to_floats(inputs_.values.x[i]))) << "changed x" << i;
}

void OpRunner::backward(const Batch& batch, const void* saved, Outcome& outcome) {
  GuardedTensor dy = output();
  dy.write(to_floats(inputs_.dy));
  std::vector<GuardedTensor> dx, dparameters;
  std::vector<TensorView> x_views, dx_views;
  const BackwardReads reads = op_.backward_reads();
  for (size_t i = 0; i < x_.size(); ++i) {
    x_views.push_back(x_[i].view());
    if (!reads.inputs) x_views.back().data = nullptr;
    dx.push_back(tensor(row_.inputs[i]));
    dx_views.push_back(variant_.in_place && i == 0 ? dy.view() : dx.back().view());
    if (!needs_dx_[i]) dx_views.back().data = nullptr;
  }
  // A split sums gradients, which come in place of x.
  const int64_t copies =
      row_.op == "split" ? inputs_.setup.attributes.find("copies")->integer() : 0;
  if (copies) x_views.assign(static_cast<size_t>(copies), dy.view());
  const std::vector<float*> parameters = parameter_pointers();
  const std::vector<const void*> operands = operand_pointers();
  std::vector<void*> gradients;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Shape row{1, 1, 1, static_cast<int64_t>(used_[i].size())};
    dparameters.emplace_back(device_, row, 0, storage());
    gradients.push_back(signature_.parameters[i].trainable ? dparameters[i].view().data : nullptr);
  }
  TensorView y = y_->view();
  if (!reads.output) y.data = nullptr;
  // Not forward's workspace: what a kernel wants to keep belongs into saved memory.
  const GuardedTensor workspace(device_, kernel_->workspace_bytes());
  kernel_->backward({batch, x_views, y, dy.view(), dx_views, parameters, operands, gradients,
                     workspace.view().data, saved});
  EXPECT_TRUE(workspace.intact()) << "backward wrote outside of the workspace";
  collect(dy, dx, dparameters, outcome);
}

void OpRunner::collect(const GuardedTensor& dy, const std::vector<GuardedTensor>& dx,
                       const std::vector<GuardedTensor>& dparameters, Outcome& outcome) {
  EXPECT_TRUE(dy.intact() && y_->intact());
  if (!variant_.in_place) {
    EXPECT_TRUE(same_bits(dy.read(), to_floats(inputs_.dy))) << "backward changed dy";
    for (size_t i = 0; i < x_.size(); ++i) expect_untouched(i);
  }
  EXPECT_TRUE(same_bits(y_->read(), outcome.y)) << "backward changed y";
  for (size_t i = 0; i < dx.size(); ++i) {
    EXPECT_TRUE(dx[i].intact()) << "wrote outside of dx" << i;
    outcome.dx.push_back(needs_dx_[i] ? (variant_.in_place && i == 0 ? dy : dx[i]).read()
                                      : Floats{});
  }
  for (size_t i = 0; i < dparameters.size(); ++i) {
    EXPECT_TRUE(dparameters[i].intact()) << "wrote outside of dparameter" << i;
    outcome.dparameters.emplace_back();
    if (!signature_.parameters[i].trainable) continue;
    const Floats stored = dparameters[i].read();
    for (size_t k = 0; k < stored.size(); ++k) {
      ASSERT_TRUE(used_[i][k] != 0 || stored[k] == 0)
          << "padding of dparameter" << i << " at " << k;
    }
    outcome.dparameters[i].resize(inputs_.values.parameters[i].size());
    kernel_->export_parameter(i, stored.data(), outcome.dparameters[i].data());
  }
}

}  // namespace engine::test
