#include "kernels/nn/convolution_kernel_cuda.h"

#include <algorithm>

#include "kernels/nn/filter_layout_cuda.h"

namespace engine {
namespace {

constexpr size_t kWeight = 0, kBias = 1;

template <Activation F>
struct Activated {
  __device__ float operator()(const float (&x)[1]) const { return activate<F>(x[0]); }
};

/// Room for so many bytes, such that what follows it is aligned like the workspace.
size_t aligned(size_t bytes) {
  constexpr size_t kAlignment = 256;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

ConvolutionKernelCuda::ConvolutionKernelCuda(const KernelSetup& setup,
                                             const ConvolutionShape& shape, Activation activation,
                                             bool outer_gradient)
    : Kernel(setup),
      device_(as_cuda(setup.device)),
      activation_(activation),
      training_(setup.training),
      needs_dx_(setup.training && setup.needs_dx[0]),
      outer_gradient_(outer_gradient),
      saves_argument_(setup.training &&
                      (activation == Activation::gelu || activation == Activation::silu)),
      shape_(shape),
      gradient_(setup.output, activation) {}

void ConvolutionKernelCuda::plan(const KernelPlaces& places) {
  ConvolutionShape forward = shape_;
  forward.relu = activation_ == Activation::relu;
  reads_x_ = shape_.pointwise() && takes(places.x[0], shape_.input.c);
  if (reads_x_) forward.x_pitch = places.x[0].pitch;
  writes_y_ = (forward.relu || activation_ == Activation::none) && takes(places.y, shape_.output.c);
  if (writes_y_) forward.y_pitch = places.y.pitch;
  forward_ = make_convolution_plans(device_, forward, {ConvolutionPass::forward});
  size_t bytes = forward_->workspace_bytes();
  if (training_) {
    ConvolutionShape filter = shape_;
    filter.x_pitch = forward.x_pitch;
    filter_ = make_convolution_plans(device_, filter, {ConvolutionPass::backward_filter});
    bytes = std::max(bytes, filter_->workspace_bytes());
  }
  if (needs_dx_) {
    data_ = make_convolution_plans(device_, shape_, {ConvolutionPass::backward_data});
    bytes = std::max(bytes, data_->workspace_bytes());
  }
  plans_bytes_ = aligned(bytes);
  plan_rooms(places);
  const size_t sums = training_ && shape_.bias ? gradient_.workspace_bytes() : 0;
  workspace_bytes_ = x_at() + std::max(x_room_ ? packed_bytes(shape_.input) : 0, sums);
}

/// Which tensors have to be packed, or made, where the plans can take them.
void ConvolutionKernelCuda::plan_rooms(const KernelPlaces& places) {
  const int64_t ins = shape_.input.c, outs = shape_.output.c;
  const bool dy_is_dz = outer_gradient_ || activation_ == Activation::none;
  const bool makes_z = !writes_y_ && !saves_argument_;
  const bool makes_dz = training_ && !(dy_is_dz && plain(places.dy, outs));
  y_room_ = makes_z || makes_dz;
  const bool packs_x = !reads_x_ && !plain(places.x[0], ins);
  x_room_ = packs_x || (needs_dx_ && !plain(places.dx[0], ins));
}

TensorView ConvolutionKernelCuda::like_y(void* workspace) const {
  require_planned(y_room_, "an output or its gradient");
  return packed(at(workspace, plans_bytes_), shape_.output);
}
TensorView ConvolutionKernelCuda::like_x(void* workspace) const {
  require_planned(x_room_, "an input or its gradient");
  return packed(at(workspace, x_at()), shape_.input);
}

std::string ConvolutionKernelCuda::implementation() const {
  std::string text = forward_->description();
  for (const auto* plans : {&filter_, &data_}) {
    if (*plans) text += ", " + (*plans)->description();
  }
  return text;
}

size_t ConvolutionKernelCuda::packed_bytes(const Shape& shape) const {
  return aligned(static_cast<size_t>(shape.elements()) * size_of(dtype()));
}

size_t ConvolutionKernelCuda::saved_bytes() const {
  return saves_argument_ ? packed_bytes(shape_.output) : 0;
}

int64_t ConvolutionKernelCuda::stored_elements(size_t parameter) const {
  return parameter == kWeight ? shape_.weights() : Kernel::stored_elements(parameter);
}

void ConvolutionKernelCuda::import_parameter(size_t parameter, const float* file,
                                             float* stored) const {
  if (parameter != kWeight) return Kernel::import_parameter(parameter, file, stored);
  for_weights(shape_.output.c, shape_.in_of_group(), shape_.taps(),
              [&](int64_t in_file, int64_t in_memory) { stored[in_memory] = file[in_file]; });
}

void ConvolutionKernelCuda::export_parameter(size_t parameter, const float* stored,
                                             float* file) const {
  if (parameter != kWeight) return Kernel::export_parameter(parameter, stored, file);
  for_weights(shape_.output.c, shape_.in_of_group(), shape_.taps(),
              [&](int64_t in_file, int64_t in_memory) { file[in_file] = stored[in_memory]; });
}

void ConvolutionKernelCuda::forward(const ForwardArgs& args) {
  const void* const bias = shape_.bias ? args.operands[kBias] : nullptr;
  const TensorView x = packed_x(args.x[0], args.workspace);
  TensorView z = args.y;
  if (saves_argument_) {
    z = packed(args.saved, shape_.output);
  } else if (!writes_y_) {
    z = like_y(args.workspace);
  }
  forward_->forward(x.data, args.operands[kWeight], bias, z.data, args.workspace);
  if (activation_ == Activation::none || activation_ == Activation::relu) {
    return copy_elements(device_, "conv2d_unpack", z, args.y);
  }
  with_activation(activation_, [&](auto function) {
    constexpr Activation F = decltype(function)::value;
    map_elements(device_, "conv2d_activation", Activated<F>{}, {z}, args.y);
  });
}

/// dz, as plans can use it; also writes the bias's gradient.
TensorView ConvolutionKernelCuda::argument_gradient(const BackwardArgs& args) const {
  if (outer_gradient_) {
    const TensorView dz = plain(args.dy) ? args.dy : like_y(args.workspace);
    copy_elements(device_, "conv2d_pack", args.dy, dz);
    return dz;
  }
  void* const db = shape_.bias ? args.dparameters[kBias] : nullptr;
  const TensorView v =
      saves_argument_ ? packed(const_cast<void*>(args.saved), shape_.output) : args.y;
  const bool same = activation_ == Activation::none && plain(args.dy);
  const TensorView dz = same ? packed(nullptr, shape_.output) : like_y(args.workspace);
  gradient_.run(device_, v, args.dy, dz, db, at(args.workspace, x_at()));
  return same ? args.dy : dz;
}

void ConvolutionKernelCuda::backward(const BackwardArgs& args) {
  const TensorView dz = argument_gradient(args);
  const TensorView x = packed_x(args.x[0], args.workspace);
  filter_->backward_filter(x.data, dz.data, args.dparameters[kWeight], args.workspace);
  if (!args.dx[0]) return;
  const TensorView dx = place_of_x(args.dx[0], args.workspace);
  data_->backward_data(dz.data, args.operands[kWeight], dx.data, args.workspace);
  copy_elements(device_, "conv2d_unpack", dx, args.dx[0]);
}

}  // namespace engine
