#pragma once

#include "kernels/nn/dropout.h"
#include "kernels/nn/max_pool.h"

namespace engine {

/// max_pool, dropout and global_average_pool in one pass over memory: the mean of each channel over
/// the windows' largest values, of which dropout keeps some. Input (n, h, w, c), output (n, 1, 1,
/// c). Backward reads a byte for each window and channel: the winner's place, or that it was
/// dropped. A Junction before it does that with its own pass.
///
/// The pass fuse_head puts it into graphs; files cannot name it.
class PooledMean : public FusedOp {
 public:
  std::string_view type() const override { return "pooled_mean"; }
  void keys(Keys& keys) override;
  /// Throws Error (experiment) when a window has more places than a byte can tell.
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  std::string brief() const override;

  MaxPool pool;
  double rate = 0;      ///< of the dropout between pool and mean
  std::string dropout;  ///< the dropout's node, whose name decides what it drops
};

std::unique_ptr<Kernel> make_pooled_mean_cuda(const KernelSetup& setup);

}  // namespace engine
