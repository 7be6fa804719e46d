#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/named_tensor.h"
#include "engine/core/registry.h"
#include "engine/graph/graph.h"
#include "engine/graph/plan.h"

namespace engine {

struct ExecutorSetup {
  const NetworkSpec& network;
  Shape image;  ///< what the network sees, n = 1
  InferContext context;
  const Registry& registry;
  Device& device;
  Pipeline* pipeline = nullptr;          ///< needed for PreparedSet
  const Optimizer* optimizer = nullptr;  ///< null: no training
  int64_t batch = 32;
  int64_t evaluation_batch = 250;
  double label_smoothing = 0;
  uint32_t seed = 1;
  Precision precision = Precision::fp32;    ///< others need a GPU
  std::vector<std::string> without_passes;  ///< names of known_passes() (passes.h)
};

struct Totals {
  double loss = 0;      ///< mean over samples
  double accuracy = 0;  ///< share of samples whose arg-max is the label
  uint64_t samples = 0;
};

/// One node's time in one phase.
struct NodeTime {
  std::string node, op, implementation;
  double forward_ms = 0, backward_ms = 0;  ///< mean of a batch
};

/// A network on a device: parameters, optimizer state, one arena, kernels for each batch size in
/// use. A last incomplete batch gets kernels of its own size, made once, so results are exact.
/// A network without loss (graph.h) can be run and timed; to train it is an Error (experiment).
/// Nothing is allocated in a step. Not copyable; several can live side by side.
class Executor {
 public:
  explicit Executor(const ExecutorSetup& setup);
  ~Executor();
  Executor(const Executor&) = delete;

  /// Draws the parameters from the seed; each by its name, so one more node changes no other.
  void initialize();
  /// In the files' layout. set_parameters refuses missing, unknown and misshapen tensors by name.
  std::vector<NamedTensor> parameters() const;
  void set_parameters(std::span<const NamedTensor> tensors);
  /// Optimizer arenas as "<moment>/<parameter>", moment "m0", "m1".
  std::vector<NamedTensor> moments() const;
  void set_moments(std::span<const NamedTensor> tensors);
  StepState state() const;
  void set_state(const StepState& state);

  /// Fixes the rows of this epoch: all of them, in this order. Resets the sums and the position.
  void begin_epoch(const PreparedSet& set, std::span<const int32_t> order, uint32_t epoch);
  /// The same in the order of Pipeline::shuffle, which the device makes by itself.
  void begin_epoch(const PreparedSet& set, RandomKey shuffle, uint32_t epoch);
  /// Up to steps training steps of the epoch; learning_rate gives the rate of a step (counted over
  /// all epochs). Returns the steps done; 0 at the end of the epoch. Stops early when
  /// state().nonfinite is set.
  int64_t train(int64_t steps, const std::function<double(uint64_t)>& learning_rate);
  /// Sums since begin_epoch.
  Totals totals() const;
  /// After a step that set nonfinite: runs it again node by node and says which node made the first
  /// value that is not finite: "inception_a.conv3x3 (forward output)".
  std::string find_nonfinite();

  /// Loss and accuracy over a set, dropout off. Leaves training's sums and position alone.
  Totals evaluate(const PreparedSet& set);
  /// Logits (count x classes), dropout off.
  std::vector<float> logits(const PreparedSet& set);
  /// The same for float32 NHWC images as the network sees them.
  std::vector<float> logits(std::span<const float> images, int64_t count);
  /// Loss and gradients (files' layout) of one batch with dropout on or off; changes nothing. For
  /// comparisons with other programs. The batch must be setup.batch samples.
  double gradients(std::span<const float> images, std::span<const int32_t> labels, bool dropout,
                   std::vector<NamedTensor>& gradients);
  /// One optimizer step on given images, dropout as said; returns the loss before it, NaN when the
  /// step was not finite and changed nothing.
  double step_on(std::span<const float> images, std::span<const int32_t> labels,
                 double learning_rate, bool dropout);

  /// What training and evaluation take. Plans evaluation if it has not run yet.
  MemoryPlan memory() const;
  /// As build_graph made it; the passes' work and the splits are not in it.
  const Graph& training_graph() const;
  /// Times each node over repetitions of one batch (training when there is an optimizer); in an
  /// epoch of training the gather, which also preprocesses, and with an optimizer its update, too.
  std::vector<NodeTime> time_nodes(int repetitions);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engine
