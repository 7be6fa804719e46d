#include "kernels/nn/convolution_kernel_cpu.h"

#include <algorithm>

#include "kernels/nn/activation_math.h"
#include "kernels/nn/elements_cpu.h"

namespace engine {
namespace {

constexpr size_t kWeight = 0, kBias = 1;

/// y = function(z); both may be the same memory.
void activate_elements(Activation function, const TensorView& z, const TensorView& y) {
  with_activation(function, [&](auto constant) {
    for_elements(
        [](int64_t count, const float* from, float* to) {
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) to[i] = activate<decltype(constant)::value>(from[i]);
        },
        z, y);
  });
}

/// dz = dy * function'(v), v as activation_slope() wants it.
void bring_back(Activation function, const TensorView& v, const TensorView& dy,
                const TensorView& dz) {
  with_activation(function, [&](auto constant) {
    for_elements(
        [](int64_t count, const float* value, const float* from, float* to) {
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) {
            to[i] = from[i] * activation_slope<decltype(constant)::value>(value[i]);
          }
        },
        v, dy, dz);
  });
}

}  // namespace

ConvolutionKernel::ConvolutionKernel(const KernelSetup& setup, ConvolutionGeometry geometry,
                                     Activation activation)
    : Kernel(setup),
      geometry_(geometry),
      activation_(activation),
      fused_(activation == Activation::none || activation == Activation::relu),
      saves_argument_(setup.training &&
                      (activation == Activation::gelu || activation == Activation::silu)) {
  geometry_.bias = parameters_.size() > kBias;
  geometry_.relu = activation == Activation::relu;
  const bool needs_dx = !setup.needs_dx.empty() && setup.needs_dx[0];
  convolution_ = make_convolution(geometry_, setup.training, needs_dx);
  workspace_bytes_ = convolution_->forward_workspace();
  if (setup.training) {
    const size_t backward =
        convolution_->backward_workspace(needs_dx) + (fused_ ? 0 : output_bytes());
    workspace_bytes_ = std::max(workspace_bytes_, backward);
  }
}

size_t ConvolutionKernel::output_bytes() const {
  constexpr size_t kLine = 64;
  const size_t bytes = static_cast<size_t>(geometry_.output.elements()) * sizeof(float);
  return (bytes + kLine - 1) / kLine * kLine;
}

void ConvolutionKernel::forward(const ForwardArgs& args) {
  const float* const bias = geometry_.bias ? args.parameters[kBias] : nullptr;
  const TensorView z = saves_argument_ ? packed_view(args.saved, geometry_.output) : args.y;
  convolution_->forward(args.x[0], args.parameters[kWeight], bias, z, args.workspace);
  if (!fused_) activate_elements(activation_, z, args.y);
}

OutputGradient ConvolutionKernel::gradient(const BackwardArgs& args) const {
  if (activation_ == Activation::none) return {args.dy, {}};
  if (activation_ == Activation::relu) return {args.dy, args.y};
  const TensorView dz = packed_view(args.workspace, geometry_.output);
  const TensorView value =
      saves_argument_ ? packed_view(const_cast<void*>(args.saved), geometry_.output) : args.y;
  bring_back(activation_, value, args.dy, dz);
  return {dz, {}};
}

void ConvolutionKernel::backward(const BackwardArgs& args) {
  const OutputGradient dz = gradient(args);
  void* const workspace = static_cast<std::byte*>(args.workspace) + (fused_ ? 0 : output_bytes());
  auto* const dw = static_cast<float*>(args.dparameters[kWeight]);
  auto* const db = geometry_.bias ? static_cast<float*>(args.dparameters[kBias]) : nullptr;
  convolution_->backward_weights(args.x[0], dz, dw, db, workspace);
  if (args.dx[0]) {
    convolution_->backward_data(dz, args.parameters[kWeight], args.dx[0], workspace);
  }
}

int64_t ConvolutionKernel::stored_elements(size_t parameter) const {
  return parameter == kWeight ? convolution_->stored_elements()
                              : Kernel::stored_elements(parameter);
}

void ConvolutionKernel::import_parameter(size_t parameter, const float* file, float* stored) const {
  if (parameter != kWeight) return Kernel::import_parameter(parameter, file, stored);
  std::fill_n(stored, convolution_->stored_elements(), 0.0f);
  const int64_t ins = geometry_.input.c / geometry_.groups, taps = geometry_.taps();
  for (int64_t out = 0; out < geometry_.output.c; ++out) {
    for (int64_t in = 0; in < ins; ++in) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        stored[convolution_->stored_index(out, in, tap)] = *file++;
      }
    }
  }
}

void ConvolutionKernel::export_parameter(size_t parameter, const float* stored, float* file) const {
  if (parameter != kWeight) return Kernel::export_parameter(parameter, stored, file);
  const int64_t ins = geometry_.input.c / geometry_.groups, taps = geometry_.taps();
  for (int64_t out = 0; out < geometry_.output.c; ++out) {
    for (int64_t in = 0; in < ins; ++in) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        *file++ = stored[convolution_->stored_index(out, in, tap)];
      }
    }
  }
}

}  // namespace engine
