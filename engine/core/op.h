#pragma once

// The contract of an op: the one header that the author of an op reads.
//
// An op is described once (Op: attributes, shapes, parameters, cost) and implemented once for each
// device (Kernel: one node, all shapes fixed). Set up, then run: a kernel's constructor builds
// every primitive, plan and table that it needs and says how much memory it wants; forward and
// backward only execute, into memory that the executor owns. They never allocate.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/keys.h"
#include "engine/core/random.h"
#include "engine/core/step.h"
#include "engine/core/tensor.h"

namespace engine {

struct PortableNode;
struct PortableValue;

/// How a parameter starts. Fans as in Keras: a conv's fan_in is kernel_h * kernel_w * channels /
/// groups.
struct Initializer {
  enum class Kind : uint8_t { glorot_uniform, glorot_normal, he_uniform, he_normal, zeros, ones };
  Kind kind = Kind::zeros;
  int64_t fan_in = 1, fan_out = 1;
};
/// The key of an initializer with its choices and documentation.
void initializer_key(Keys& keys, std::string_view key, Initializer::Kind& kind,
                     std::string_view doc);

/// One parameter of a node. dims is the order of files: conv weights OIHW, dense weights [out, in].
struct ParameterSpec {
  std::string name;  ///< "weight", "bias", "running_mean": the file has "<node>.<name>"
  std::vector<int64_t> dims;
  Initializer initializer;
  bool trainable = true;  ///< false: state such as running statistics; has no gradient

  int64_t elements() const;
};

/// What an op makes of inputs of given shapes.
struct Signature {
  Shape output;                           ///< batch = the inputs' batch
  std::vector<ParameterSpec> parameters;  ///< trainable ones first
  int64_t multiply_adds = 0;              ///< forward, whole batch
};

/// Facts that are not the node's own.
struct InferContext {
  int64_t classes = 0;  ///< of the data set
};

/// What backward reads besides dy and parameters: the planner keeps only that alive.
struct BackwardReads {
  bool inputs = false;
  bool output = false;
};

/// A configured op: attributes and what follows from them. Knows no device.
class Op {
 public:
  virtual ~Op() = default;
  virtual std::string_view type() const = 0;  ///< "conv2d"
  virtual void keys(Keys& keys) = 0;          ///< the attributes, see keys.h
  /// Number of inputs: least and most.
  virtual std::pair<size_t, size_t> arity() const { return {1, 1}; }
  /// Throws Error (experiment) with what is wrong with these shapes; the caller adds the node's
  /// name and the names of the nodes that the inputs come from.
  virtual Signature infer(std::span<const Shape> inputs, const InferContext& context) const = 0;
  virtual BackwardReads backward_reads() const { return {}; }
  /// The output may share memory with the first input (same shape), and dx with dy.
  virtual bool in_place() const { return false; }
  /// The output has the input's values in another shape, or just the same: nothing runs.
  virtual bool is_view() const { return false; }
  /// Backward reads one gradient for each user (BackwardArgs::x) instead of dy.
  virtual bool sums_gradients() const { return false; }
  /// This op without the first part of its backward: dy is then the gradient before its ReLU, and
  /// the gradient of its bias somebody else's work. Null where there is no such part.
  virtual std::shared_ptr<const Op> with_outer_gradient() const { return nullptr; }
  /// This op and its only user as one op with this op's parameters, for an input whose gradient
  /// nobody needs. Null where there is none, or none for an input of that shape.
  virtual std::shared_ptr<const Op> fused_with(const Op& /*user*/, const Shape& /*input*/) const {
    return nullptr;
  }
  /// In evaluation the output equals the input, so the node is left out (dropout).
  virtual bool identity_in_evaluation() const { return false; }
  /// Puts what the op does in evaluation into a graph for other programs (portable.h) and returns
  /// the output.
  virtual PortableValue portable(const PortableNode& node) const = 0;
  /// Attributes as `summary` shows them: "3x3/2, relu".
  virtual std::string brief() const { return {}; }
};

/// An op that passes put in place of several others. Graphs for other programs are made before.
class FusedOp : public Op {
 public:
  /// Throws Error (internal).
  PortableValue portable(const PortableNode& node) const final;
};

/// What a kernel is built for.
struct KernelSetup {
  const Op& op;
  std::string_view node;  ///< the node's full name: messages, random stream
  std::span<const Shape> inputs;
  Shape output;
  std::span<const ParameterSpec> parameters;
  bool training = false;           ///< backward will run
  std::span<const bool> needs_dx;  ///< for each input; all false in evaluation
  uint32_t seed = 0;               ///< of random draws
  Precision precision = Precision::fp32;
  /// Of an op that sums gradients, for each user: the op whose backward it does too, or null.
  std::span<const Op* const> absorbed;
  Device& device;
};

struct ForwardArgs {
  const Batch& batch;
  std::span<const TensorView> x;
  TensorView y;
  std::span<float* const> parameters;  ///< as ParameterSpec's order, in the kernel's layout
  /// The same numbers as products take them, in the precision's storage type: where that is float32
  /// the same memory. Null for state.
  std::span<const void* const> operands;
  void* workspace;  ///< workspace_bytes(), contents undefined
  void* saved;      ///< saved_bytes(), kept until this node's backward
};

struct BackwardArgs {
  const Batch& batch;
  /// data is null unless backward_reads().inputs. Of an op that sums gradients: those of its users
  /// in the graph's order; of an absorbed user the gradient of its output.
  std::span<const TensorView> x;
  TensorView y;  ///< data is null unless backward_reads().output
  TensorView dy;
  std::span<const TensorView> dx;  ///< data is null where not needed; otherwise overwritten
  std::span<float* const> parameters;
  std::span<const void* const> operands;
  /// Of the precision's storage type; overwritten, not added to; null for state.
  std::span<void* const> dparameters;
  void* workspace;
  const void* saved;
  std::span<const void* const> absorbed_saved;  ///< as KernelSetup::absorbed, what they saved
};

/// How a tensor lies in memory: its pitch, and the channel of the wider tensor at which it begins.
struct TensorPlace {
  int64_t pitch = 0;
  int64_t channel = 0;
};
struct KernelPlaces {
  std::vector<TensorPlace> x;
  TensorPlace y;
  std::vector<TensorPlace> dx;  ///< pitch 0, here and for dy: there is no such gradient
  TensorPlace dy;               ///< of an op that sums gradients, its first user's
};

/// One node on one device. x, y, dx and dy are of the precision's storage type, but that the loss's
/// y is always float32. Every input and output element is written exactly once per call; what is
/// not an output is not touched. Results are bit-identical from call to call.
class Kernel {
 public:
  virtual ~Kernel() = default;
  /// Called once, before all that follows, when it is known how inputs, output and their gradients
  /// will lie. For kernels whose preparations depend on it.
  virtual void plan(const KernelPlaces&) {}
  virtual size_t workspace_bytes() const { return 0; }  ///< scratch of one call
  virtual size_t saved_bytes() const { return 0; }      ///< from forward to backward
  virtual void forward(const ForwardArgs& args) = 0;
  virtual void backward(const BackwardArgs& args) = 0;
  /// May read x and dy, and write y and dx, with a pitch wider than their channels (see
  /// TensorView). Then a concat of its output, or a split of its gradient, costs nothing.
  virtual bool takes_pitch() const { return false; }

  /// A parameter may live in the layout that the kernel likes. It depends on the op's attributes,
  /// channels and device alone (never on batch or mode, since kernels share parameters). Gradients
  /// and optimizer moments have the same layout; elements that stand for nothing stay zero.
  virtual int64_t stored_elements(size_t parameter) const;
  virtual void import_parameter(size_t parameter, const float* file, float* stored) const;
  virtual void export_parameter(size_t parameter, const float* stored, float* file) const;
  /// What ran: "winograd 4x4", "jit:avx2". For `summary` and `bench`.
  virtual std::string implementation() const { return {}; }

 protected:
  explicit Kernel(const KernelSetup& setup)
      : parameters_(setup.parameters.begin(), setup.parameters.end()) {}
  std::vector<ParameterSpec> parameters_;
};

using KernelFactory = std::unique_ptr<Kernel> (*)(const KernelSetup&);

template <class K>
std::unique_ptr<Kernel> make_kernel(const KernelSetup& setup) {
  return std::make_unique<K>(setup);
}

}  // namespace engine
