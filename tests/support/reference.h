#pragma once

// Every op once more: plain loops in double precision, forward and backward, written from the
// definitions and not from the kernels. They read their attributes from the JSON tree themselves
// and are checked by finite differences (tests/ops/reference_test.cpp). Slow, and meant to be.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/core/value.h"

namespace engine::test {

using Doubles = std::vector<double>;

/// What a reference op is made for.
struct ReferenceSetup {
  Value attributes = Object{};
  std::vector<Shape> inputs;
  int64_t classes = 0;   ///< of the data set
  bool training = true;  ///< Batch::training
  std::string node = "node";
  uint32_t seed = 1, epoch = 0;
  std::vector<int32_t> samples, labels;  ///< one a row
};

/// Values, or gradients, of all inputs (packed NHWC) and parameters (in files' order).
struct ReferenceTensors {
  std::vector<Doubles> x, parameters;
};

class ReferenceOp {
 public:
  explicit ReferenceOp(const ReferenceSetup& setup) : setup_(setup), in_(setup.inputs[0]) {}
  virtual ~ReferenceOp() = default;

  virtual Shape output() const = 0;
  virtual std::vector<std::vector<int64_t>> parameter_dims() const { return {}; }
  virtual Doubles forward(const ReferenceTensors& t) const = 0;
  /// Gradients of objective() by every input and parameter; empty for parameters without one.
  virtual ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const = 0;
  /// What backward differentiates: sum(y * dy), or the mean loss.
  virtual double objective(const ReferenceTensors& t, const Doubles& dy) const;
  virtual bool is_loss() const { return false; }
  /// The parameters after forward: running statistics move.
  virtual std::vector<Doubles> parameters_after(const ReferenceTensors& t) const {
    return t.parameters;
  }
  /// Argument of a ReLU at the end, or what else makes the gradient jump where it is near 0; empty
  /// when there is none.
  virtual Doubles relu_argument(const ReferenceTensors&) const { return {}; }

 protected:
  ReferenceSetup setup_;
  Shape in_;
};

/// Every op that the registry knows. Throws std::invalid_argument for others.
std::unique_ptr<ReferenceOp> make_reference(std::string_view op, const ReferenceSetup& setup);

/// Reading attributes, with defaults as documented.
double number_or(const Value& attributes, std::string_view key, double fallback);
std::string string_or(const Value& attributes, std::string_view key, std::string_view fallback);
bool boolean_or(const Value& attributes, std::string_view key, bool fallback);

/// The functions of "activation" and their derivatives by the argument, in double precision.
double reference_activation(const std::string& function, double x);
double reference_activation_slope(const std::string& function, double x);

/// The ops with a sliding window, in reference_window.cpp.
std::unique_ptr<ReferenceOp> make_reference_conv2d(const ReferenceSetup& setup);
std::unique_ptr<ReferenceOp> make_reference_max_pool(const ReferenceSetup& setup);
std::unique_ptr<ReferenceOp> make_reference_average_pool(const ReferenceSetup& setup);
/// Of those, some at once, in reference_stem.cpp.
std::unique_ptr<ReferenceOp> make_reference_stem(const ReferenceSetup& setup);
/// Those with something special in training, in reference_training.cpp.
std::unique_ptr<ReferenceOp> make_reference_dropout(const ReferenceSetup& setup);
std::unique_ptr<ReferenceOp> make_reference_batch_normalization(const ReferenceSetup& setup);
std::unique_ptr<ReferenceOp> make_reference_softmax_cross_entropy(const ReferenceSetup& setup);
/// Those that passes make, in reference_fused.cpp.
std::unique_ptr<ReferenceOp> make_reference_pooled_mean(const ReferenceSetup& setup);
std::unique_ptr<ReferenceOp> make_reference_dense_loss(const ReferenceSetup& setup);

}  // namespace engine::test
