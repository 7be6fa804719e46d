#pragma once

// What conv2d and dense share as kernels: a convolution with an activation behind it.

#include <memory>

#include "engine/core/op.h"
#include "kernels/nn/convolution_cpu.h"

namespace engine {

/// ReLU is part of the convolution, forward and backward. Other activations are passes of their
/// own: forward keeps their argument z where backward needs it (gelu, silu), backward first brings
/// dy back to dz in the workspace.
class ConvolutionKernel : public Kernel {
 public:
  ConvolutionKernel(const KernelSetup& setup, ConvolutionGeometry geometry, Activation activation);

  size_t workspace_bytes() const override { return workspace_bytes_; }
  size_t saved_bytes() const override { return saves_argument_ ? output_bytes() : 0; }
  void forward(const ForwardArgs& args) override;
  void backward(const BackwardArgs& args) override;
  bool takes_pitch() const override { return convolution_->takes_pitch(); }
  int64_t stored_elements(size_t parameter) const override;
  void import_parameter(size_t parameter, const float* file, float* stored) const override;
  void export_parameter(size_t parameter, const float* stored, float* file) const override;
  std::string implementation() const override { return convolution_->name(); }

 private:
  size_t output_bytes() const;
  /// The gradient before the activation; for all but relu and none in the workspace.
  OutputGradient gradient(const BackwardArgs& args) const;

  ConvolutionGeometry geometry_;
  Activation activation_;
  bool fused_;           ///< none or relu
  bool saves_argument_;  ///< training with gelu or silu
  std::unique_ptr<Convolution> convolution_;
  size_t workspace_bytes_ = 0;
};

}  // namespace engine
