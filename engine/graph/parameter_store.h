#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/named_tensor.h"
#include "engine/core/op.h"
#include "engine/core/optimizer.h"

namespace engine {

/// One parameter's slice of the arenas.
struct StoredParameter {
  std::string name;  ///< "stem.weight"
  ParameterSpec spec;
  std::shared_ptr<Kernel> kernel;  ///< converts layouts
  size_t index = 0;                ///< among its node's parameters
  int64_t stored = 0;              ///< elements in the kernel's layout
  int64_t offset = 0;              ///< of the slice, in elements
};

/// All parameters of a network in one arena: first the trainable ones, then state (running
/// statistics), each slice aligned to 64 bytes, the space between zero. Gradients and moments are
/// arenas like the trainable part; in bf16 gradients are bf16, and there is one more arena with the
/// trainable parameters rounded to bf16, for products. Files see their own layout, kernels theirs.
class ParameterStore {
 public:
  ParameterStore(Device& device, Precision precision)
      : device_(device), storage_(storage_type(precision)) {}

  /// Adds a node's parameters, once for each node, before allocate().
  void add(const std::string& node, std::span<const ParameterSpec> specs,
           const std::shared_ptr<Kernel>& kernel);
  /// Fixes offsets; makes the arenas, all zero.
  void allocate(bool training, int moments);

  /// Checks that a kernel for another batch or mode stores a parameter alike, and returns its
  /// index.
  size_t find(const std::string& node, const ParameterSpec& spec, const Kernel& kernel,
              size_t index) const;
  /// Of a parameter that is there, by its full name.
  size_t index_of(const std::string& name) const { return by_name_.at(name); }
  float* parameter(size_t i) const { return parameters_.f32() + list_[i].offset; }
  /// The same for products, and its gradient, both of storage(); null for state.
  const void* operand(size_t i) const;
  void* gradient(size_t i) const { return place_in(gradients_, i); }
  DType storage() const { return storage_; }
  const std::vector<StoredParameter>& list() const { return list_; }

  float* parameters() const { return parameters_.f32(); }
  void* gradients() const { return gradients_.data(); }
  void* operands() const { return operands_.data(); }  ///< null where parameters() is it
  float* const* moments() const { return moment_pointers_.data(); }
  int moment_count() const { return static_cast<int>(moments_.size()); }
  int64_t trainable_elements() const { return trainable_; }
  int64_t elements() const { return elements_; }
  /// State parameters: elements() - trainable_elements() of them.
  float* state_parameters() const { return parameters_.f32() + trainable_; }

  void initialize(uint32_t seed);
  std::vector<NamedTensor> export_parameters() const;
  std::vector<NamedTensor> export_gradients() const;
  std::vector<NamedTensor> export_moments() const;
  void import_parameters(std::span<const NamedTensor> tensors);
  void import_moments(std::span<const NamedTensor> tensors);

  /// All parameters and moments as they are stored, in host memory.
  struct Snapshot {
    std::vector<float> parameters;
    std::vector<std::vector<float>> moments;
  };
  Snapshot take() const;
  void put_back(const Snapshot& snapshot);

 private:
  NamedTensor export_one(const StoredParameter& parameter, const void* place, DType type,
                         const std::string& name) const;
  void import_one(const StoredParameter& parameter, const float* file, float* arena);
  void import_all(std::span<const NamedTensor> tensors,
                  const std::vector<std::pair<std::string, float*>>& arenas, bool all,
                  std::string_view what);

  void* place_in(const Buffer& arena, size_t i) const;
  void round_operands();

  Device& device_;
  DType storage_;
  std::vector<StoredParameter> list_;
  std::unordered_map<std::string, size_t> by_name_;
  int64_t trainable_ = 0, elements_ = 0;
  Buffer parameters_, operands_, gradients_;
  std::vector<Buffer> moments_;
  std::vector<float*> moment_pointers_;
};

/// What a parameter starts with, in the files' layout: element e takes word e % 4 of
/// RandomKey{seed, random_stream("initialize", name)}.draw(e / 4, 0, attempt).
///
/// Uniform: within +-sqrt(6 / (fan_in + fan_out)) (Glorot, Bengio 2010) or +-sqrt(6 / fan_in) (He
/// et al. 2015). Normal: as Keras, truncated at two deviations (a value beyond is drawn again with
/// the next attempt), and widened by 1 / 0.87962566103423978 so that the deviation after truncation
/// is sqrt(2 / (fan_in + fan_out)) or sqrt(2 / fan_in).
void draw_initial(const Initializer& initializer, const std::string& name, uint32_t seed,
                  std::span<float> values);

}  // namespace engine
