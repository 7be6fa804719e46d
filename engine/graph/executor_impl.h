#pragma once

// What the executor's sources share.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/graph/program.h"

namespace engine {

constexpr size_t bytes_of(int64_t elements) {
  return static_cast<size_t>(elements) * sizeof(float);
}

struct Executor::Impl {
  explicit Impl(const ExecutorSetup& setup);

  /// The program for a batch size and mode; built when it is first asked for. The ones used last
  /// are kept.
  Program& program(int64_t batch, Mode mode);
  /// Gives the arena the size of the largest program and binds all programs to it.
  void prepare();
  void require_loss() const;
  void require_training() const;
  void require_pipeline() const;

  /// Points a program's kernels at a state and the rows in labels and samples.
  void point(Program& program, Buffer& state, bool labels);
  StepState read(const Buffer& state) const;
  void write(Buffer& state, const StepState& value);
  static Totals totals_of(const StepState& state);

  /// Room in device memory; recordings of the memory that was there before are forgotten.
  void ensure(Buffer& buffer, size_t bytes);
  /// Fixes the epoch, whose rows lie in order.
  void start_epoch(const PreparedSet& of, int64_t count, uint32_t epoch);
  /// All that training an epoch of so many rows takes is there: programs, bound and recorded, and
  /// memory.
  void prepare_epoch(int64_t rows);
  Program& training_program(int64_t rows) { return program(rows, Mode::training); }
  /// One whole step on rows of the epoch, from the gather to the update, as something to replay.
  Recording& recorded_step(int64_t rows);
  /// Rows of order from at's position on.
  void gather(const PreparedSet& set, const Buffer& order, const Buffer& at, Program& program);
  void copy_batch(std::span<const float> images, std::span<const int32_t> labels, Program& program);

  /// The learning rates of the next steps go to the device; nonfinite is reset.
  void begin_steps(int64_t steps, const std::function<double(uint64_t)>& learning_rate);
  /// Forward, backward and update on the batch that lies in the program's input; the position moves
  /// on by advance. Waits for nothing: what came of it is in the state.
  void step(Program& program, int64_t advance);
  void update(Buffer& state, int64_t advance);
  void keep_state_parameters();
  void restore_state_parameters();

  /// A batch of evaluation as something to replay: takes the rows at the position of
  /// evaluation_state and moves it on.
  Recording& recorded_evaluation(Program& program, const PreparedSet& set, bool with_loss);
  /// Runs a set through evaluation programs; after each batch's forward its program is passed on.
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
  const Precision precision;
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
    std::unique_ptr<Recording> recording;  ///< null until it is needed, and when memory has moved
    std::weak_ptr<const void> set;         ///< whose rows the recording gathers
    bool with_loss = false;

    bool has_recorded(const PreparedSet& of, bool loss) const;
    void keep(std::unique_ptr<Recording> made, const PreparedSet& of, bool loss);
  };
  Held& held(const Program& program);
  void forget_recordings();
  std::vector<Held> programs;
  uint64_t uses = 0;
  Program* first = nullptr;  ///< defined the parameters; never let go

  // The epoch.
  const PreparedSet* set = nullptr;
  Buffer order;  ///< rows of the epoch
  int64_t rows = 0;
  Buffer evaluation_order;  ///< 0, 1, 2 ...
  Buffer learning_rates;    ///< of the steps that train() was last asked for
  std::vector<float> learning_rates_on_host;
  Buffer kept_state_parameters;
};

}  // namespace engine
