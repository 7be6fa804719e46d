#pragma once

#include <cmath>

#include "engine/core/op.h"

namespace engine {

/// In training, drops elements with probability rate and multiplies the others by 1 / (1 - rate).
/// What is dropped follows from (seed, node, epoch, sample, place) alone, so backward draws it
/// again and batch size and thread count do not matter. In evaluation it does nothing.
class Dropout : public Op {
 public:
  std::string_view type() const override { return "dropout"; }
  void keys(Keys& keys) override;
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  bool in_place() const override { return true; }
  bool identity_in_evaluation() const override { return true; }
  std::string brief() const override;

  double rate = 0.5;
};

/// Element i of a sample (NHWC order) is dropped when word i % 4 of draw(i / 4, epoch, sample),
/// with the key (seed, random_stream("dropout", node)), is below this.
inline uint32_t drop_threshold(double rate) {
  return static_cast<uint32_t>(std::llround(rate * 4294967295.0));
}

std::unique_ptr<Kernel> make_dropout_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_dropout_cuda(const KernelSetup& setup);

}  // namespace engine
