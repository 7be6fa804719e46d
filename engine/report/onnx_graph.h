#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/portable.h"

namespace engine {

/// Gathers operators into an ONNX model (https://onnx.ai/onnx/repo-docs/IR.html). The one place
/// that knows ONNX's own types.
class OnnxGraph : public PortableGraph {
 public:
  /// name: of the graph. reserved: names of inputs, outputs and constants that no node may get.
  OnnxGraph(const std::string& name, const std::vector<std::string>& reserved);
  ~OnnxGraph() override;

  PortableValue node(std::string_view op, const std::vector<PortableValue>& inputs,
                     const std::vector<PortableAttribute>& attributes = {}) override;
  PortableValue floats(std::string_view name, const std::vector<int64_t>& dims,
                       std::span<const float> values) override;
  PortableValue integers(std::string_view name, std::span<const int64_t> values) override;
  PortableValue as_vector(const PortableValue& value) override;
  PortableValue as_image(const PortableValue& value) override;

  /// Whose operators and constants follow: the first part of their names.
  void begin(std::string_view owner) { owner_ = owner; }
  /// [n, height, width, channels], uint8 or float32.
  PortableValue image_input(const std::string& name, const Shape& image, DType type);
  PortableValue strings(const std::string& name, const std::vector<std::string>& values);
  /// What a node gave becomes an output of the model, by that name: float32 [n, columns], or
  /// strings [n] when columns is 0.
  void output(const PortableValue& value, const std::string& name, int64_t columns);

  /// The model as a file holds it. Throws Error (internal) when ONNX's checker or its inference of
  /// shapes finds a fault in it, Error (experiment) when it is over 2 GB, which protobuf cannot
  /// hold.
  std::string serialized(const std::string& engine_version,
                         const std::vector<std::pair<std::string, std::string>>& metadata);

 private:
  struct Impl;
  PortableValue converted(const PortableValue& value, PortableValue form);
  std::unique_ptr<Impl> impl_;
  std::string owner_;
};

}  // namespace engine
