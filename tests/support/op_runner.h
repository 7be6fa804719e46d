#pragma once

// Runs one kernel once, forward and backward, in memory between guards. For the op harness.

#include <vector>

#include "tests/support/guarded_buffer.h"
#include "tests/support/op_harness.h"

namespace engine::test {

using Floats = std::vector<float>;

/// One way to run a row.
struct Variant {
  std::string name;
  bool setup_training = true;  ///< backward runs
  bool training = true;        ///< Batch::training
  bool needs_dx = true;
  bool in_place = false;
  int64_t gap = 0;  ///< pitch minus channels
  Precision precision = Precision::fp32;
};

/// What a run left behind.
struct Outcome {
  Floats y;
  std::vector<Floats> dx, dparameters, parameters;
  StepState state;
};

bool same_bits(const Floats& a, const Floats& b);

/// A kernel with all its memory, for one row and variant. Failures are GoogleTest's.
class OpRunner {
 public:
  OpRunner(const OpRow& row, const Op& op, const RowInputs& inputs, KernelFactory factory,
           Device& device, const Variant& variant);

  Kernel& kernel() { return *kernel_; }
  Outcome run();

 private:
  GuardedTensor tensor(const Shape& shape);
  GuardedTensor output();
  DType storage() const { return storage_type(variant_.precision); }
  void place_inputs();
  void store_parameters();
  void load_parameters(Outcome& outcome);
  std::vector<float*> parameter_pointers();
  std::vector<const void*> operand_pointers();
  void forward(const Batch& batch, void* saved, Outcome& outcome);
  void backward(const Batch& batch, const void* saved, Outcome& outcome);
  void collect(const GuardedTensor& dy, const std::vector<GuardedTensor>& dx,
               const std::vector<GuardedTensor>& dparameters, Outcome& outcome);
  void expect_untouched(size_t i);

  const OpRow& row_;
  const Op& op_;
  const RowInputs& inputs_;
  Device& device_;
  Variant variant_;
  Signature signature_;
  std::vector<char> needs_dx_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<GuardedTensor> x_, parameters_;
  std::vector<GuardedTensor> operands_;  ///< none in float32
  std::vector<Floats> used_;             ///< ones where a stored element stands for a parameter
  std::unique_ptr<GuardedTensor> y_;
};

}  // namespace engine::test
