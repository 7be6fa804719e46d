#pragma once

// Pointwise convolutions to test, and what they should come to.

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "engine/cuda/matmul_plan.h"
#include "tests/emulation/emulator.h"
#include "tests/support/guarded_buffer.h"

namespace engine::test::products {

using Floats = std::vector<float>;

inline constexpr ConvolutionPass kPasses[] = {
    ConvolutionPass::forward, ConvolutionPass::backward_data, ConvolutionPass::backward_filter};

inline ConvolutionShape pointwise(const Shape& input, int64_t outs, Precision precision) {
  ConvolutionShape shape{.input = input, .output = input, .precision = precision};
  shape.output.c = outs;
  shape.window = {.out_h = input.h, .out_w = input.w};
  return shape;
}

inline size_t index(int64_t i) {
  return static_cast<size_t>(i);
}

/// Small integers without a pattern: in every precision products and their sums are exact.
inline Floats numbers(int64_t count, uint32_t seed) {
  Floats values;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(seed >> 16) / 9362.0f - 3.5f);
    values.back() = std::round(values.back());
  }
  return values;
}

/// A convolution's tensors, in device memory between guards.
struct Tensors {
  Tensors(Device& device, const ConvolutionShape& s)
      : shape(s),
        type(storage_type(s.precision)),
        x(device, s.input, s.x_pitch, type),
        w(device, {1, 1, s.output.c, s.input.c}, 0, type),
        bias(device, {1, 1, 1, s.output.c}, 0, type),
        y(device, s.output, s.y_pitch, type) {}

  const GuardedTensor& result(ConvolutionPass pass) const {
    return pass == ConvolutionPass::forward ? y : pass == ConvolutionPass::backward_data ? x : w;
  }
  /// Fills all but the result.
  void fill(ConvolutionPass pass) {
    values_x = numbers(shape.input.elements(), 1);
    values_w = numbers(shape.weights(), 2);
    values_bias = numbers(shape.output.c, 3);
    values_y = numbers(shape.output.elements(), 4);
    if (&result(pass) != &x) x.write(values_x);
    if (&result(pass) != &w) w.write(values_w);
    if (&result(pass) != &y) y.write(values_y);
    bias.write(values_bias);
  }
  /// In the order of PlannedPass::run.
  std::vector<void*> memory(ConvolutionPass pass) const {
    std::vector<void*> all{x.view().data, w.view().data};
    if (shape.bias && pass == ConvolutionPass::forward) all.push_back(bias.view().data);
    all.push_back(y.view().data);
    return all;
  }
  bool intact() const { return x.intact() && w.intact() && bias.intact() && y.intact(); }

  ConvolutionShape shape;
  DType type;
  GuardedTensor x, w, bias, y;
  Floats values_x, values_w, values_bias, values_y;
};

/// The result by the definition, in double precision: y[p, o] = sum over i of x[p, i] w[o, i], and
/// its derivatives.
inline std::vector<double> expected(const Tensors& t, ConvolutionPass pass) {
  const ConvolutionShape& s = t.shape;
  const int64_t ins = s.input.c, outs = s.output.c;
  std::vector<double> y(index(s.output.elements())), dx(index(s.input.elements())),
      dw(index(s.weights()));
  for (int64_t p = 0; p < s.input.pixels(); ++p) {
    for (int64_t o = 0; o < outs; ++o) {
      const size_t at_y = index(p * outs + o);
      if (s.bias) y[at_y] += t.values_bias[index(o)];
      for (int64_t i = 0; i < ins; ++i) {
        const size_t at_x = index(p * ins + i), at_w = index(o * ins + i);
        y[at_y] += double{t.values_x[at_x]} * t.values_w[at_w];
        dx[at_x] += double{t.values_y[at_y]} * t.values_w[at_w];
        dw[at_w] += double{t.values_y[at_y]} * t.values_x[at_x];
      }
      if (s.relu) y[at_y] = std::max(y[at_y], 0.0);
    }
  }
  return pass == ConvolutionPass::forward ? y : pass == ConvolutionPass::backward_data ? dx : dw;
}

/// How far the result is from the definition's at most, as a share of it.
inline double worst_error(const Tensors& t, ConvolutionPass pass) {
  const Floats got = t.result(pass).read();
  const std::vector<double> right = expected(t, pass);
  double worst = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    const double error = std::abs(got[i] - right[i]) / std::max(std::abs(right[i]), 1.0);
    worst = std::isnan(got[i]) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

/// All that the result's type allows: its rounding.
inline double rounding(Precision precision) {
  return precision == Precision::bf16 ? std::ldexp(1.0, -8) : 0;
}

inline void run(CudaDevice& device, const PlannedPass& plan, const Tensors& t,
                ConvolutionPass pass) {
  const GuardedTensor workspace(device, plan.workspace_bytes());
  std::vector<void*> memory = t.memory(pass);
  plan.run(memory, workspace.view().data);
  EXPECT_TRUE(workspace.intact());
}

inline uint64_t launches_of(const std::string& name) {
  const auto found = emulated::launches().find(name);
  return found == emulated::launches().end() ? 0 : found->second.count;
}

inline std::unique_ptr<PlannedPass> first_plan(CudaDevice& device, const ConvolutionShape& shape,
                                               ConvolutionPass pass) {
  MatmulEngines engines(device, shape, pass);
  auto plan = engines.make(engines.names().at(0));
  if (!plan) throw std::runtime_error("the first algorithm makes no plan");
  return plan;
}

}  // namespace engine::test::products
