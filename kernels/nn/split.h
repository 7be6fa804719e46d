#pragma once

#include "engine/core/op.h"

namespace engine {

/// One value with several users. The graph puts it where a value fans out; files cannot name it.
/// Forward is a view. Backward's `x` are the `copies` gradients that came back (pitched or not), in
/// the users' order, and dx[0] is their sum in that order; dx[0] may share memory with x[0].
class FanOut : public Op {
 public:
  std::string_view type() const override { return "split"; }
  void keys(Keys& keys) override;
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  bool is_view() const override { return true; }
  bool sums_gradients() const override { return true; }
  std::string brief() const override;

  int64_t copies = 2;
};

std::unique_ptr<Kernel> make_split_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_split_cuda(const KernelSetup& setup);

}  // namespace engine
