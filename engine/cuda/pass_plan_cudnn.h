#pragma once

// One pass of a convolution as a plan of cuDNN's.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cuda/planned_pass.h"

namespace engine {

/// What a library keeps of its knowledge about which engine is fast.
enum class Heuristic : uint8_t { a, b, fallback };

/// One pass as a graph of cuDNN's operations, with at most one plan. For one call of engines(),
/// plan() or plan_with(): the graph is used up by it.
class PassPlan final : public PlannedPass {
 public:
  /// Throws Error (device) when cuDNN cannot express the pass or does not work.
  PassPlan(const ConvolutionShape& shape, ConvolutionPass pass, CudaDevice& device);
  ~PassPlan() override;
  PassPlan(PassPlan&&) noexcept;

  /// Names of the engines that a heuristic gives, its best first, such as "eng44_k2=12_k18=1": a
  /// number, then knobs with their settings. Not all of them can be built.
  std::vector<std::string> engines(Heuristic heuristic);
  /// Plans with the first engine of the heuristics that can be built; A's come before B's. Throws
  /// Error (device) when there is none.
  void plan();
  /// Plans with a certain engine. False: it does not compute this pass, or not as it has to.
  bool plan_with(const std::string& engine);

  // After planning.
  std::string_view library() const override { return "cuDNN"; }
  const std::string& engine() const override;
  size_t workspace_bytes() const override;
  void run(std::span<void*> memory, void* workspace) const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engine
