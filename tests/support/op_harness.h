#pragma once

// One test for every op on every device that is compiled in. Adding an op adds rows:
//
//   {"max_pool", R"({"kernel": 3, "stride": 2})", {{2, 8, 8, 64}}}

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "tests/support/reference.h"

namespace engine::test {

struct OpRow {
  std::string op;
  std::string attributes = "{}";  ///< JSON
  std::vector<Shape> inputs;
  double tolerance = 1e-5;  ///< Euclidean norm of the error, as a share of the reference's
  int64_t classes = 10;
  bool needs_dx = true;  ///< false: of an op that makes no gradient of its input
};
std::ostream& operator<<(std::ostream& stream, const OpRow& row);  ///< for messages of failures

const Registry& registry();

/// An op with its attributes, through the same reader as experiment files. Throws Error
/// (experiment) for wrong ones.
std::unique_ptr<Op> configure_op(const std::string& name, const std::string& attributes);

/// Whether kernels agree with the reference, forward and backward, in training and evaluation;
/// write every element of their outputs and nothing else; leave inputs alone; give the same bits
/// again and for another number of threads; work in place and with pitches where they say so; keep
/// stored parameters' padding zero. Failures are GoogleTest's.
void check_op(const OpRow& row);

/// Whether the reference's gradients are those of its own forward, by central differences in double
/// precision: atol 1e-5, rtol 1e-3 with steps of 1e-6.
void check_reference(const OpRow& row);

/// Random values and labels for a row: the same for the same row.
struct RowInputs {
  ReferenceSetup setup;
  ReferenceTensors values;
  Doubles dy;
};
RowInputs make_inputs(const OpRow& row, bool training);
/// No gradient comes back where the op's jumps: float and double may disagree about the side.
void leave_out_jumps(const ReferenceOp& reference, RowInputs& inputs);

}  // namespace engine::test
