#pragma once

// What executor.cpp, executor_step.cpp and executor_diagnose.cpp share.

#include <memory>
#include <optional>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/graph/program.h"

namespace engine {

struct Executor::Impl {
  explicit Impl(const ExecutorSetup& setup);

  /// The program for a batch size and mode; built when it is first asked for. The ones used last
  /// are kept.
  Program& program(int64_t batch, Mode mode);
  /// Gives the arena the size of the largest program and binds all programs to it.
  void prepare();
  void require_loss() const;
  void require_training() const;

  /// Points a program's kernels at a state and the rows in labels and samples.
  void point(Program& program, Buffer& state, bool labels);
  StepState read(const Buffer& state) const;
  void write(Buffer& state, const StepState& value);

  /// The programs that training an epoch of so many rows takes are there and bound.
  void prepare_epoch(int64_t rows);
  Program& training_program(int64_t rows) { return program(rows, Mode::training); }
  void gather(const PreparedSet& set, const Buffer& order, int64_t first, int64_t count,
              uint32_t epoch, Program& program);
  void copy_batch(std::span<const float> images, std::span<const int32_t> labels, Program& program);

  enum class Outcome { done, nonfinite };
  /// Forward, backward and update on the batch that lies in the program's input. What the step
  /// counted is in the state afterwards; after a step that was not finite nothing has changed but
  /// the state's nonfinite and gradient_norm.
  Outcome step(Program& program, double learning_rate);
  void forward_backward(Program& program);
  void keep_state_parameters();
  void restore_state_parameters();

  /// Runs a set through evaluation programs; each is called with first row and count after forward.
  template <class After>
  void for_each_evaluation_batch(const PreparedSet& set, bool with_loss, const After& after);
  std::vector<float> read_logits(Program& program) const;

  // What the network is.
  const NetworkSpec network;
  const Shape image;
  const InferContext context;
  const Registry& registry;
  Device& device;
  Pipeline* const pipeline;
  const int64_t batch, evaluation_batch;
  const double label_smoothing;
  const uint32_t seed;
  const PassSwitches passes;
  const Optimizer* const optimizer;

  ParameterStore store;
  std::unique_ptr<OptimizerKernel> optimizer_kernel;
  Buffer state, evaluation_state;  ///< a StepState each, in device memory
  Buffer labels, samples;          ///< of the batch under way
  Buffer arena;
  bool bound = false;  ///< every program is bound to the arena

  struct Held {
    std::unique_ptr<Program> program;
    uint64_t used = 0;
  };
  std::vector<Held> programs;
  uint64_t uses = 0;
  Program* first = nullptr;  ///< defined the parameters; never let go

  // The epoch.
  const PreparedSet* set = nullptr;
  Buffer order;  ///< rows of the epoch
  int64_t rows = 0;
  Buffer evaluation_order;  ///< 0, 1, 2 ...
  std::vector<float> kept_state_parameters;
};

}  // namespace engine
