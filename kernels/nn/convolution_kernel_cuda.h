#pragma once

#include <cstddef>

#include "engine/core/op.h"
#include "engine/cuda/convolution.h"
#include "kernels/nn/argument_gradient_cuda.h"

namespace engine {

/// Bias and ReLU are part of the forward plan, which writes y where it belongs, also into a slice.
/// cuDNN's ReLU may turn NaN into 0 (none of its fast engines says that it does not). No failed
/// step is lost by that: NaN comes from values that are not finite themselves, and each of those
/// makes the gradient of the weights that it is multiplied with NaN. Other activations are a pass
/// of their own that reads and writes y once. Where backward needs the activation's argument z
/// (gelu, silu), the plan writes it into saved memory. Backward first makes dz and the bias's
/// gradient in one pass (see argument_gradient_cuda.h), then runs the two plans on dz.
///
/// With outer_gradient, dy is dz already and the bias's gradient somebody else's work (Junction).
///
/// x, dx and dz are packed for the plans: one that is a slice costs a copy. Not so the x of
/// pointwise convolutions, for which a pitch costs nothing (see matmul_plan.h).
class ConvolutionKernelCuda : public Kernel {
 public:
  ConvolutionKernelCuda(const KernelSetup& setup, const ConvolutionShape& shape,
                        Activation activation, bool outer_gradient);

  bool takes_pitch() const override { return true; }
  void plan(const KernelPlaces& places) override;
  size_t workspace_bytes() const override { return workspace_bytes_; }
  size_t saved_bytes() const override;

  void forward(const ForwardArgs& args) override;
  void backward(const BackwardArgs& args) override;

  int64_t stored_elements(size_t parameter) const override;
  void import_parameter(size_t parameter, const float* file, float* stored) const override;
  void export_parameter(size_t parameter, const float* stored, float* file) const override;
  std::string implementation() const override;

 private:
  // The workspace: the plans' own, then a packed tensor like y, then one like x, where they are
  // needed. The place of x also holds the partial sums of the bias's gradient, which are done with
  // before x comes.
  DType dtype() const { return storage_type(shape_.precision); }
  TensorView packed(void* data, const Shape& shape) const {
    return packed_view(data, shape, dtype());
  }
  size_t packed_bytes(const Shape& shape) const;  ///< with space to the next aligned address
  size_t x_at() const { return plans_bytes_ + (y_room_ ? packed_bytes(shape_.output) : 0); }
  static std::byte* at(void* workspace, size_t offset) {
    return static_cast<std::byte*>(workspace) + offset;
  }
  /// Throw Error (internal) where there was no need of them when the places were known.
  TensorView like_y(void* workspace) const;
  TensorView like_x(void* workspace) const;

  /// Whether plans can use a tensor where it is.
  static bool plain(const TensorView& tensor) {
    constexpr uintptr_t kAlignment = 16;
    return tensor.packed() && reinterpret_cast<uintptr_t>(tensor.data) % kAlignment == 0;
  }
  bool aligned_at(int64_t channel) const {
    constexpr size_t kAlignment = 16;
    return static_cast<size_t>(channel) * size_of(dtype()) % kAlignment == 0;
  }
  /// The same of a tensor of so many channels, by how it will lie.
  bool plain(const TensorPlace& place, int64_t channels) const {
    return place.pitch == channels && aligned_at(place.channel);
  }
  /// Whether plans that know a tensor's pitch can read or write it where it will lie.
  bool takes(const TensorPlace& place, int64_t channels) const {
    return aligned_at(place.channel) && (place.pitch == channels || aligned_at(place.pitch));
  }
  void plan_rooms(const KernelPlaces& places);
  TensorView place_of_x(const TensorView& x, void* workspace) const {
    return plain(x) ? x : like_x(workspace);
  }
  /// x as plans take it.
  TensorView packed_x(const TensorView& x, void* workspace) const {
    if (reads_x_) return x;
    const TensorView place = place_of_x(x, workspace);
    copy_elements(device_, "conv2d_pack", x, place);
    return place;
  }
  TensorView argument_gradient(const BackwardArgs& args) const;

  CudaDevice& device_;
  Activation activation_;
  bool training_, needs_dx_, outer_gradient_;
  bool saves_argument_;                   ///< training with gelu or silu
  bool reads_x_ = false;                  ///< plans take x in its place, with its pitch
  bool writes_y_ = false;                 ///< the forward plan's result is y, in its place
  bool x_room_ = false, y_room_ = false;  ///< in the workspace
  ConvolutionShape shape_;
  ArgumentGradient gradient_;
  std::unique_ptr<ConvolutionPlans> forward_, filter_, data_;  ///< the gradients': in training
  size_t plans_bytes_ = 0, workspace_bytes_ = 0;
};

}  // namespace engine
