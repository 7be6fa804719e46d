#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/core/registry.h"
#include "engine/graph/parameter_store.h"
#include "engine/graph/placement.h"

namespace engine {

enum class Mode : uint8_t { training, training_without_dropout, evaluation };

struct ProgramSetup {
  const NetworkSpec& network;
  Shape image;
  InferContext context;
  const Registry& registry;
  Device& device;
  int64_t batch = 1;
  Mode mode = Mode::evaluation;
  double label_smoothing = 0;
  uint32_t seed = 0;
  Precision precision = Precision::fp32;
  PassSwitches passes;
};

/// A graph made concrete for a device, a batch size and a mode: kernels, and the arena's layout.
/// Building it is the expensive part (the kernels build their primitives); bind() then fixes every
/// address, so that forward and backward are loops over calls that are all made up.
class Program {
 public:
  explicit Program(const ProgramSetup& setup);
  Program(const Program&) = delete;

  int64_t batch() const { return built_.input.n; }
  Mode mode() const { return mode_; }
  bool training() const { return mode_ != Mode::evaluation; }
  /// As build_graph made it, for people; graph() has been through the passes and has splits.
  const Graph& built_graph() const { return built_; }
  const Graph& graph() const { return graph_; }
  bool has_loss() const { return graph_.loss != kGraphInput; }
  const Placement& placement() const { return placement_; }
  size_t arena_bytes() const { return placement_.layout.bytes; }

  /// Adds this program's parameters to a new store.
  void define(ParameterStore& store) const;
  /// Where everything lies from now on. Called again when the arena has moved.
  void bind(const ParameterStore& store, std::byte* arena);

  /// What kernels see as the batch; set before a call.
  Batch& args() { return batch_; }
  TensorView input() const { return input_; }
  TensorView logits() const { return outputs_[static_cast<size_t>(graph_.logits)]; }
  TensorView seed() const { return seed_; }

  size_t nodes() const { return graph_.nodes.size(); }
  const Node& node(size_t i) const { return graph_.nodes[i]; }
  std::string implementation(size_t i) const;
  /// Outputs and parameters of single calls, for finding values that are not finite.
  const ForwardArgs& forward_args(size_t i) const { return *calls_[i].forward; }
  const BackwardArgs& backward_args(size_t i) const { return *calls_[i].backward; }
  const std::vector<size_t>& parameters_of(size_t i) const { return calls_[i].stored; }

  bool runs_forward(size_t i) const { return placement_.nodes[i].runs_forward; }
  bool runs_backward(size_t i) const { return placement_.nodes[i].runs_backward; }
  void forward_node(size_t i) {
    const DeviceRange range(device_, node(i).name);
    calls_[i].kernel->forward(*calls_[i].forward);
  }
  void backward_node(size_t i) {
    const DeviceRange range(device_, node(i).name);
    calls_[i].kernel->backward(*calls_[i].backward);
  }

  /// All nodes, each in its lane (Placement::streams); the loss only when it is wanted (it reads
  /// labels).
  void forward(bool with_loss);
  void backward();

 private:
  /// One node's kernel, and the arguments of its calls with the memory that they refer to.
  struct Call {
    std::shared_ptr<Kernel> kernel;  // null for views
    std::vector<size_t> stored;      // its parameters in the store
    std::vector<TensorView> x, backward_x, gradients, dx;
    std::vector<float*> parameters;
    std::vector<const void*> operands;
    std::vector<void*> dparameters;
    std::vector<const void*> absorbed_saved;
    std::optional<ForwardArgs> forward;
    std::optional<BackwardArgs> backward;
  };

  template <class RunAt>
  void run(int first, int last, const RunAt& run_at);
  void make_kernels(const ProgramSetup& setup);
  NodeFacts make_kernel(const ProgramSetup& setup, size_t i, const std::vector<bool>& gradient);
  void plan_kernel(const ProgramSetup& setup, size_t i, const KernelPlaces& places);
  void bind_node(size_t i, const ParameterStore& store, std::byte* arena);
  TensorView view(const PlacedTensor& tensor, std::byte* arena) const;
  std::byte* memory(int buffer, std::byte* arena) const;

  Device& device_;
  const Mode mode_;
  Graph built_, graph_;
  std::vector<NodeFacts> facts_;
  Placement placement_;
  std::vector<Call> calls_;
  std::vector<TensorView> outputs_;
  TensorView input_, seed_;
  Batch batch_;
};

}  // namespace engine
