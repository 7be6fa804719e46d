// Convolution of any shape by oneDNN, on packed NHWC tensors. Weights are stored as in files and
// brought into the layout that each primitive wants on every call (they changed since the last
// step); all memory of a call, oneDNN's scratchpad included, is the caller's workspace.

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/core/error.h"
#include "engine/cpu/onednn.h"
#include "kernels/nn/convolution_cpu.h"
#include "kernels/nn/elements_cpu.h"

namespace engine {
namespace {

using dnnl::memory;

size_t aligned(size_t bytes) {
  constexpr size_t kAlignment = 64;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// A primitive with its arguments; only their addresses change from call to call.
class BoundPrimitive {
 public:
  BoundPrimitive() = default;
  template <class Description>
  explicit BoundPrimitive(const Description& description)
      : primitive_(description.get()),
        scratchpad_(aligned(description.scratchpad_desc().get_size())) {
    add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc());
  }
  void add(int argument, const memory::desc& desc) {
    memories_.push_back(unbound(desc));
    arguments_.push_back({argument, memories_.back().get()});
  }
  void bind(int argument, const void* data) {
    const auto found = std::find_if(arguments_.begin(), arguments_.end(),
                                    [=](const dnnl_exec_arg_t& a) { return a.arg == argument; });
    memories_.at(static_cast<size_t>(found - arguments_.begin()))
        .set_data_handle(const_cast<void*>(data));
  }
  size_t scratchpad() const { return scratchpad_; }
  void run(void* scratchpad) {
    bind(DNNL_ARG_SCRATCHPAD, scratchpad);
    // dnnl::primitive::execute would make a new list of the arguments in every call.
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive_.get(), cpu_stream().get(),
                               static_cast<int>(arguments_.size()), arguments_.data()),
        "oneDNN could not run a primitive");
    cpu_stream().wait();
  }

 private:
  dnnl::primitive primitive_;
  std::vector<memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;  ///< with handles that memories_ owns
  size_t scratchpad_ = 0;
};

/// Brings weights from one layout to another; does nothing where both are the same.
class WeightReorder {
 public:
  WeightReorder() = default;
  WeightReorder(const memory::desc& from, const memory::desc& to) : needed_(from != to) {
    bytes_ = needed_ ? aligned(std::max(from.get_size(), to.get_size())) : 0;
    if (!needed_) return;
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    reorder_ = BoundPrimitive(
        dnnl::reorder::primitive_desc(cpu_engine(), from, cpu_engine(), to, attributes));
    reorder_.add(DNNL_ARG_FROM, from);
    reorder_.add(DNNL_ARG_TO, to);
  }
  bool needed() const { return needed_; }
  size_t scratchpad() const { return needed_ ? reorder_.scratchpad() : 0; }
  size_t bytes() const { return bytes_; }  ///< of the larger layout; 0 when not needed
  void run(const void* from, void* to, void* scratchpad) {
    reorder_.bind(DNNL_ARG_FROM, from);
    reorder_.bind(DNNL_ARG_TO, to);
    reorder_.run(scratchpad);
  }

 private:
  BoundPrimitive reorder_;
  bool needed_ = false;
  size_t bytes_ = 0;
};

class OnednnConvolution final : public Convolution {
 public:
  OnednnConvolution(const ConvolutionGeometry& geometry, bool training, bool needs_dx);

  std::string name() const override { return name_; }
  bool takes_pitch() const override { return false; }
  int64_t stored_elements() const override { return g_.output.c * in_of_group() * g_.taps(); }
  int64_t stored_index(int64_t out, int64_t in, int64_t tap) const override {
    return (out * in_of_group() + in) * g_.taps() + tap;
  }
  size_t forward_workspace() const override {
    return weights_for_forward_.bytes() +
           std::max(forward_.scratchpad(), weights_for_forward_.scratchpad());
  }
  size_t backward_workspace(bool needs_dx) const override {
    const size_t for_weights = weight_gradient_.bytes() + std::max(backward_weights_.scratchpad(),
                                                                   weight_gradient_.scratchpad());
    const size_t for_data = weights_for_data_.bytes() +
                            std::max(backward_data_.scratchpad(), weights_for_data_.scratchpad());
    return gradient_bytes() + std::max(for_weights, needs_dx ? for_data : 0);
  }

  void forward(const TensorView& x, const float* weights, const float* bias, const TensorView& y,
               void* workspace) override;
  void backward_data(const OutputGradient& gradient, const float* weights, const TensorView& dx,
                     void* workspace) override;
  void backward_weights(const TensorView& x, const OutputGradient& gradient, float* dw, float* db,
                        void* workspace) override;

 private:
  int64_t in_of_group() const { return g_.input.c / g_.groups; }
  size_t gradient_bytes() const {
    return aligned(static_cast<size_t>(g_.output.elements()) * sizeof(float));
  }
  void make_forward(const dnnl::convolution_forward::primitive_desc& description);
  void make_backward(const dnnl::convolution_forward::primitive_desc& hint, bool needs_dx);
  /// dy itself, or where masked a copy at the head of the workspace.
  const float* masked(const OutputGradient& gradient, void* workspace) const;

  ConvolutionGeometry g_;
  std::string name_;
  memory::desc x_, y_, stored_, any_, bias_;
  memory::dims strides_, dilations_, before_, after_;
  BoundPrimitive forward_, backward_data_, backward_weights_;
  WeightReorder weights_for_forward_, weights_for_data_, weight_gradient_;
};

OnednnConvolution::OnednnConvolution(const ConvolutionGeometry& geometry, bool training,
                                     bool needs_dx)
    : g_(geometry) {
  const Window& w = g_.window;
  x_ = nhwc_desc(g_.input, g_.input.c);
  y_ = nhwc_desc(g_.output, g_.output.c);
  memory::dims dims{g_.output.c, in_of_group(), w.kernel_h, w.kernel_w};
  if (g_.groups > 1) {
    dims[0] /= g_.groups;
    dims.insert(dims.begin(), g_.groups);
  }
  constexpr auto kFloat = memory::data_type::f32;
  using Tag = memory::format_tag;
  stored_ = {dims, kFloat, g_.groups > 1 ? Tag::goihw : Tag::oihw};
  any_ = {dims, kFloat, Tag::any};
  if (g_.bias) bias_ = {{g_.output.c}, kFloat, Tag::x};
  strides_ = {w.stride_h, w.stride_w};
  dilations_ = {w.dilation_h - 1, w.dilation_w - 1};
  before_ = {w.padding.top, w.padding.left};
  after_ = {w.padding.bottom, w.padding.right};
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  try {
    const dnnl::convolution_forward::primitive_desc forward(
        cpu_engine(), kind, dnnl::algorithm::convolution_direct, x_, any_, bias_, y_, strides_,
        dilations_, before_, after_, attributes);
    make_forward(forward);
    if (training) make_backward(forward, needs_dx);
  } catch (const dnnl::error& error) {
    fail(ExitCode::internal, "oneDNN has no convolution for this shape: {}", error.what());
  }
}

void OnednnConvolution::make_forward(const dnnl::convolution_forward::primitive_desc& description) {
  name_ = fmt::format("oneDNN {}", description.impl_info_str());
  forward_ = BoundPrimitive(description);
  forward_.add(DNNL_ARG_SRC, x_);
  forward_.add(DNNL_ARG_WEIGHTS, description.weights_desc());
  if (g_.bias) forward_.add(DNNL_ARG_BIAS, bias_);
  forward_.add(DNNL_ARG_DST, y_);
  weights_for_forward_ = WeightReorder(stored_, description.weights_desc());
}

void OnednnConvolution::make_backward(const dnnl::convolution_forward::primitive_desc& hint,
                                      bool needs_dx) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_backward_weights::primitive_desc for_weights(
      cpu_engine(), kDirect, x_, any_, bias_, y_, strides_, dilations_, before_, after_, hint,
      attributes);
  backward_weights_ = BoundPrimitive(for_weights);
  backward_weights_.add(DNNL_ARG_SRC, x_);
  backward_weights_.add(DNNL_ARG_DIFF_DST, y_);
  backward_weights_.add(DNNL_ARG_DIFF_WEIGHTS, for_weights.diff_weights_desc());
  if (g_.bias) backward_weights_.add(DNNL_ARG_DIFF_BIAS, bias_);
  weight_gradient_ = WeightReorder(for_weights.diff_weights_desc(), stored_);
  if (!needs_dx) return;
  const dnnl::convolution_backward_data::primitive_desc for_data(
      cpu_engine(), kDirect, x_, any_, y_, strides_, dilations_, before_, after_, hint, attributes);
  backward_data_ = BoundPrimitive(for_data);
  backward_data_.add(DNNL_ARG_DIFF_SRC, x_);
  backward_data_.add(DNNL_ARG_WEIGHTS, for_data.weights_desc());
  backward_data_.add(DNNL_ARG_DIFF_DST, y_);
  weights_for_data_ = WeightReorder(stored_, for_data.weights_desc());
}

void OnednnConvolution::forward(const TensorView& x, const float* weights, const float* bias,
                                const TensorView& y, void* workspace) {
  auto* const reordered = static_cast<std::byte*>(workspace);
  std::byte* const scratchpad = reordered + weights_for_forward_.bytes();
  if (weights_for_forward_.needed()) weights_for_forward_.run(weights, reordered, scratchpad);
  forward_.bind(DNNL_ARG_SRC, x.data);
  forward_.bind(DNNL_ARG_WEIGHTS,
                weights_for_forward_.needed() ? static_cast<const void*>(reordered) : weights);
  if (g_.bias) forward_.bind(DNNL_ARG_BIAS, bias);
  forward_.bind(DNNL_ARG_DST, y.data);
  forward_.run(scratchpad);
  if (!g_.relu) return;
  // Not as oneDNN's post-operation: its ReLU turns NaN into 0.
  for_elements(
      [](int64_t count, float* to) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) to[i] = to[i] < 0 ? 0 : to[i];
      },
      y);
}

const float* OnednnConvolution::masked(const OutputGradient& gradient, void* workspace) const {
  if (!gradient.relu_output) return gradient.dy.f32();
  const TensorView copy = packed_view(workspace, g_.output);
  for_elements(
      [](int64_t count, const float* dy, const float* y, float* to) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) to[i] = y[i] > 0 ? dy[i] : 0;
      },
      gradient.dy, gradient.relu_output, copy);
  return copy.f32();
}

void OnednnConvolution::backward_data(const OutputGradient& gradient, const float* weights,
                                      const TensorView& dx, void* workspace) {
  auto* const reordered = static_cast<std::byte*>(workspace) + gradient_bytes();
  std::byte* const scratchpad = reordered + weights_for_data_.bytes();
  if (weights_for_data_.needed()) weights_for_data_.run(weights, reordered, scratchpad);
  backward_data_.bind(DNNL_ARG_DIFF_DST, masked(gradient, workspace));
  backward_data_.bind(DNNL_ARG_WEIGHTS,
                      weights_for_data_.needed() ? static_cast<const void*>(reordered) : weights);
  backward_data_.bind(DNNL_ARG_DIFF_SRC, dx.data);
  backward_data_.run(scratchpad);
}

void OnednnConvolution::backward_weights(const TensorView& x, const OutputGradient& gradient,
                                         float* dw, float* db, void* workspace) {
  auto* const reordered = static_cast<std::byte*>(workspace) + gradient_bytes();
  std::byte* const scratchpad = reordered + weight_gradient_.bytes();
  backward_weights_.bind(DNNL_ARG_SRC, x.data);
  backward_weights_.bind(DNNL_ARG_DIFF_DST, masked(gradient, workspace));
  backward_weights_.bind(DNNL_ARG_DIFF_WEIGHTS,
                         weight_gradient_.needed() ? static_cast<void*>(reordered) : dw);
  if (g_.bias) backward_weights_.bind(DNNL_ARG_DIFF_BIAS, db);
  backward_weights_.run(scratchpad);
  if (weight_gradient_.needed()) weight_gradient_.run(reordered, dw, scratchpad);
}

}  // namespace

std::unique_ptr<Convolution> make_onednn_convolution(const ConvolutionGeometry& geometry,
                                                     bool training, bool needs_dx) {
  return std::make_unique<OnednnConvolution>(geometry, training, needs_dx);
}

}  // namespace engine
