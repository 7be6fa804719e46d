#pragma once

// How the CPU convolves: one interface, four ways. conv2d and dense choose by shape.

#include <cstddef>
#include <memory>
#include <string>

#include "engine/core/attributes.h"
#include "engine/core/tensor.h"

namespace engine {

struct ConvolutionGeometry {
  Shape input, output;
  Window window;
  int64_t groups = 1;
  bool bias = true;
  bool relu = false;  ///< at the end of the forward pass

  int64_t taps() const { return window.kernel_h * window.kernel_w; }
};

/// The gradient of a convolution's result. Where the convolution ended in a ReLU, the ReLU's
/// output says where the gradient passes.
struct OutputGradient {
  TensorView dy;
  TensorView relu_output;  ///< null: the gradient passes everywhere
};

/// A convolution of fixed shapes. Calls only execute; memory is the caller's.
class Convolution {
 public:
  virtual ~Convolution() = default;
  virtual std::string name() const = 0;
  /// x, y, dy and dx may have a pitch wider than their channels.
  virtual bool takes_pitch() const { return true; }

  /// The layout of weights and their gradient. Places that no weight has are zero, always.
  virtual int64_t stored_elements() const = 0;
  virtual int64_t stored_index(int64_t out, int64_t in, int64_t tap) const = 0;

  virtual size_t forward_workspace() const { return 0; }
  virtual size_t backward_workspace(bool needs_dx) const = 0;
  virtual void forward(const TensorView& x, const float* weights, const float* bias,
                       const TensorView& y, void* workspace) = 0;
  virtual void backward_data(const OutputGradient& gradient, const float* weights,
                             const TensorView& dx, void* workspace) = 0;
  /// db may be null.
  virtual void backward_weights(const TensorView& x, const OutputGradient& gradient, float* dw,
                                float* db, void* workspace) = 0;
};

/// 3x3 and 5x5, stride 1: see winograd_cpu.cpp.
std::unique_ptr<Convolution> make_winograd(const ConvolutionGeometry& geometry);
/// 1x1, stride 1, no padding, and dense layers: a matrix product. See pointwise_cpu.cpp.
std::unique_ptr<Convolution> make_pointwise(const ConvolutionGeometry& geometry);
/// Any kernel and stride on few input channels (images). See few_channels_cpu.cpp.
std::unique_ptr<Convolution> make_few_channels(const ConvolutionGeometry& geometry);
/// Everything, by oneDNN.
std::unique_ptr<Convolution> make_onednn_convolution(const ConvolutionGeometry& geometry,
                                                     bool training, bool needs_dx);

/// The way for these attributes and channels. It does not depend on height, width or batch, since
/// kernels of one node share weights in one layout.
std::unique_ptr<Convolution> make_convolution(const ConvolutionGeometry& geometry, bool training,
                                              bool needs_dx);

}  // namespace engine
