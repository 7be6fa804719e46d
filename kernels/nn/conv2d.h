#pragma once

#include "engine/core/attributes.h"
#include "engine/core/op.h"

namespace engine {

/// Slides `filters` windows over height and width: cross-correlation, as everywhere in deep
/// learning. Input (n, h, w, c), output (n, out_h, out_w, filters). Parameters: weight [filters,
/// c / groups, kernel_h, kernel_w], bias [filters].
class Conv2d : public Op {
 public:
  std::string_view type() const override { return "conv2d"; }
  void keys(Keys& keys) override;
  /// Throws Error (experiment) when the window does not fit or groups do not divide the channels.
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  BackwardReads backward_reads() const override;
  /// Of a convolution with bias and ReLU.
  std::shared_ptr<const Op> with_outer_gradient() const override;
  /// With ReLU and the max pool behind it, for few channels (kernels/fused/stem.h).
  std::shared_ptr<const Op> fused_with(const Op& user, const Shape& input) const override;
  std::string brief() const override;

  Window window(const Shape& input) const;

  int64_t filters = 1;
  Pair kernel{3, 1};
  Pair stride{1, 1};
  Pair dilation{1, 1};
  int64_t groups = 1;
  Padding padding;
  Activation activation = Activation::none;
  bool bias = true;
  Initializer::Kind initializer = Initializer::Kind::glorot_uniform;
  bool outer_gradient = false;  ///< made by with_outer_gradient(); no key of files
};

std::unique_ptr<Kernel> make_conv2d_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_conv2d_cuda(const KernelSetup& setup);

}  // namespace engine
