#pragma once

// Convolutions on the GPU, without the library that computes them: plans are made once for a node,
// its calls only queue work on the device's stream.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/attributes.h"
#include "engine/core/tensor.h"
#include "engine/cuda/cuda_device.h"

namespace engine {

/// Tensors are NHWC; all of them, weights, bias and gradients too, are of the precision's storage
/// type: float32 for fp32 and tf32, bfloat16 for bf16, whose sums are float32 until they are
/// stored. (A bfloat16 bias is what Hopper's ready-made kernels take.) A weight tensor lies in
/// memory as [filter][kernel y][kernel x][channel of its group]: KRSC.
struct ConvolutionShape {
  Shape input, output;
  Window window;  ///< any kernel, stride, dilation and padding, which may differ on each side
  int64_t groups = 1;
  int64_t x_pitch = 0, y_pitch = 0;  ///< in channels, also of dx and dy; 0: packed
  bool bias = false;                 ///< added in the forward pass
  /// The forward pass ends with max(0, .). It may turn NaN into 0: none of cuDNN's fast kernels
  /// says that it does not. Who has to notice NaN looks elsewhere, at the gradients for instance.
  bool relu = false;
  Precision precision = Precision::fp32;

  int64_t in_of_group() const { return input.c / groups; }
  int64_t taps() const { return window.kernel_h * window.kernel_w; }
  int64_t weights() const { return output.c * taps() * in_of_group(); }
  /// Whether each pixel of the output is a product of one pixel and the weights: y = w x.
  bool pointwise() const;
};

enum class ConvolutionPass : uint8_t { forward, backward_data, backward_filter };
std::string_view to_string(ConvolutionPass pass);
/// "bf16 convolution forward of 32 images of 8x8x256 with 96 filters of 5x5", for messages.
std::string name_of(const ConvolutionShape& shape, ConvolutionPass pass);

/// Bytes of a pass's tensors: what it moves through main memory at least.
double moved_bytes(const ConvolutionShape& shape, ConvolutionPass pass);
/// "x", "w and y": the tensors whose copies make up the workspace, judged by its size; for
/// gradients the tensors that they belong to. Empty when the workspace is something else. An engine
/// copies tensors that it cannot read or write where they are: with a pitch, in another order of
/// dimensions, or with channels that are not a multiple of 16 bytes.
std::string repacked_tensors(const ConvolutionShape& shape, size_t workspace_bytes);

/// Notes a plan on a device that is only described.
void note_plan(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass,
               const std::string& engine, size_t workspace_bytes);

/// A convolution of one shape, ready to run. All memory is the caller's, tensors aligned to 16
/// bytes and the workspace to 256; each call overwrites its result and gives the same bits every
/// time. (Plans made anew may use another engine, unless the device remembers which:
/// CudaDevice::choose.)
class ConvolutionPlans {
 public:
  virtual ~ConvolutionPlans() = default;
  virtual size_t workspace_bytes() const = 0;   ///< enough for each pass
  virtual std::string description() const = 0;  ///< what computes it, for `summary`

  /// bias: null where the shape has none.
  virtual void forward(const void* x, const void* w, const void* bias, void* y,
                       void* workspace) = 0;
  virtual void backward_data(const void* dy, const void* w, void* dx, void* workspace) = 0;
  virtual void backward_filter(const void* x, const void* dy, void* dw, void* workspace) = 0;
};

/// Plans for the passes asked for; others must not be called. Throws Error (device) when there is
/// no way to compute one of them.
std::unique_ptr<ConvolutionPlans> make_convolution_plans(
    CudaDevice& device, const ConvolutionShape& shape, const std::vector<ConvolutionPass>& passes);

/// Throws Error (internal) when a tensor that does not lie as planned would need memory that was
/// not asked for.
void require_planned(bool planned, std::string_view tensor);

/// What computes, with its version: "cuDNN 9.19.0".
std::string convolution_library();

}  // namespace engine
