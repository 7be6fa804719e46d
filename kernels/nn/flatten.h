#pragma once

#include "engine/core/op.h"

namespace engine {

/// (n, h, w, c) as (n, 1, 1, h * w * c), in the order of memory: channels fastest, as in Keras.
/// (PyTorch's flatten of an NCHW tensor has the channels slowest.) A view: nothing runs.
class Flatten : public Op {
 public:
  std::string_view type() const override { return "flatten"; }
  void keys(Keys&) override {}
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  bool is_view() const override { return true; }
};

/// Copies, for an executor that does not treat the op as a view; skips what is in place already.
std::unique_ptr<Kernel> make_flatten_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_flatten_cuda(const KernelSetup& setup);

}  // namespace engine
