#pragma once

#include <optional>

#include "kernels/nn/conv2d.h"
#include "kernels/nn/max_pool.h"

namespace engine {

/// A rectangle of pooled pixels that a block of threads makes, and what it takes in shared memory:
/// the weights, the convolution's outputs that are pooled, and the patch of the image below them.
struct StemTile {
  static constexpr int64_t kFilters = 32;        ///< that a block makes
  static constexpr int64_t kWeightPitch = 36;    ///< floats from tap to tap: the filters, and a gap
  static constexpr int64_t kFloats = 12288;      ///< 48 KB, in forward
  static constexpr int64_t kPatchFloats = 4096;  ///< 16 KB, all that backward keeps there
  static constexpr int64_t kTaps = 7;  ///< neighbours in a row of a filter, a thread's in backward

  int64_t height = 0, width = 0;  ///< in pooled pixels
  int64_t outputs = 0;            ///< pixels of the convolution below them, at most
  int64_t patch_pitch = 0;        ///< floats from row to row of the patch

  /// The largest that fits; none when one pooled pixel does not fit.
  static std::optional<StemTile> largest(const Window& conv, const Window& pool, int64_t channels);
};

/// The first convolution with bias and ReLU, and the max pool behind it. Input (n, h, w, c) with c
/// <= 4, output as the pool's; parameters as conv2d's. The gradient of the input is not made.
///
/// The pass fuse_stem puts it into graphs; files cannot name it.
class Stem : public FusedOp {
 public:
  static constexpr int64_t kMostChannels = 4;
  static constexpr int64_t kMostPlaces = 255;  ///< of a window of the pool: a byte, and "none"

  Stem() { conv.activation = Activation::relu; }
  /// Null when that is no stem that kernels can make of such an input.
  static std::shared_ptr<const Op> of(const Conv2d& conv, const MaxPool& pool, const Shape& input);

  std::string_view type() const override { return "stem"; }
  void keys(Keys& keys) override;
  /// Throws Error (experiment) as conv2d and max_pool do, and when no tile fits.
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  BackwardReads backward_reads() const override { return {.inputs = true}; }
  std::string brief() const override;

  Conv2d conv;
  MaxPool pool;
};

std::unique_ptr<Kernel> make_stem_cuda(const KernelSetup& setup);

}  // namespace engine
