#pragma once

#include "engine/core/attributes.h"
#include "engine/core/op.h"

namespace engine {

/// A number of units, or "classes": as many as the data set has classes.
class Units : public CustomValue {
 public:
  std::optional<std::string> read(const Value& value) override;
  Value write() const override;
  Value schema() const override;

  int64_t count = 0;  ///< 0: "classes"
};

/// Every unit sees every value of a vector: y = W x + b. Input (n, 1, 1, c), output (n, 1, 1,
/// units). Parameters: weight [units, c], bias [units].
class Dense : public Op {
 public:
  std::string_view type() const override { return "dense"; }
  void keys(Keys& keys) override;
  /// Throws Error (experiment) when the input is an image.
  Signature infer(std::span<const Shape> inputs, const InferContext& context) const override;
  PortableValue portable(const PortableNode& node) const override;
  BackwardReads backward_reads() const override;
  std::string brief() const override;

  Units units;
  Activation activation = Activation::none;
  bool bias = true;
  Initializer::Kind initializer = Initializer::Kind::glorot_uniform;
};

std::unique_ptr<Kernel> make_dense_cpu(const KernelSetup& setup);
std::unique_ptr<Kernel> make_dense_cuda(const KernelSetup& setup);

}  // namespace engine
