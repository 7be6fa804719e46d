#pragma once

// How ops and stages say what they compute in terms of the operators of ONNX (opset 17), so that a
// network can go to other programs. Knows nothing of files: what gathers the operators derives from
// PortableGraph (engine/report/onnx_graph.h).
//
// Values are float32. An image is [n, c, h, w]; a vector for each sample (h = w = 1) may be that or
// [n, c], whichever the operator gave.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/core/tensor.h"

namespace engine {

struct Window;

/// A value of a graph by its name.
struct PortableValue {
  std::string name;
  bool vector = false;  ///< [n, c] instead of [n, c, h, w]
};

/// An attribute of an operator: "strides", [2, 2].
struct PortableAttribute {
  std::string_view name;
  std::variant<int64_t, double, std::vector<int64_t>> value;
};

class PortableGraph {
 public:
  virtual ~PortableGraph() = default;
  /// Appends an operator with one output, which is a vector if the first input is.
  virtual PortableValue node(std::string_view op, const std::vector<PortableValue>& inputs,
                             const std::vector<PortableAttribute>& attributes = {}) = 0;
  /// A constant; name says what it is within the op or stage at hand ("mean").
  virtual PortableValue floats(std::string_view name, const std::vector<int64_t>& dims,
                               std::span<const float> values) = 0;
  virtual PortableValue integers(std::string_view name, std::span<const int64_t> values) = 0;
  /// The same values as [n, c], and as [n, c, 1, 1]. What has the form already is given back; a
  /// form that was changed is not changed back, but taken from before.
  virtual PortableValue as_vector(const PortableValue& value) = 0;
  virtual PortableValue as_image(const PortableValue& value) = 0;

  PortableValue number(std::string_view name, float value) {
    return floats(name, {}, std::span(&value, 1));
  }
};

/// The attributes that convolutions and pools have in common: kernel_shape, strides, pads.
std::vector<PortableAttribute> portable_window(const Window& window);

/// What an op is asked to put into a graph.
struct PortableNode {
  PortableGraph& graph;
  std::span<const PortableValue> inputs;
  std::span<const Shape> shapes;              ///< of the inputs, n = 1
  std::span<const PortableValue> parameters;  ///< in the signature's order, in the files' layout

  /// The inputs, all of them vectors or all of them images.
  std::vector<PortableValue> inputs_alike() const;
};

/// What a stage is asked to put into a graph.
struct PortableStage {
  PortableGraph& graph;
  PortableValue input;                 ///< an image
  Shape shape;                         ///< of the input, n = 1
  std::span<const double> statistics;  ///< measured for this stage; empty when it needs none
};

}  // namespace engine
