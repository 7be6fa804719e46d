#include "engine/report/onnx_graph.h"

#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "engine/core/error.h"

namespace engine {
namespace {

constexpr int64_t kOpset = 17, kIrVersion = 8;  // both of ONNX 1.12
constexpr size_t kMostBytes = (size_t{1} << 31) - 1;

struct SetAttribute {
  onnx::AttributeProto& attribute;

  void operator()(int64_t value) const {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(value);
  }
  void operator()(double value) const {
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(static_cast<float>(value));
  }
  void operator()(const std::vector<int64_t>& values) const {
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const int64_t value : values) attribute.add_ints(value);
  }
};

template <class T>
void set_raw(onnx::TensorProto& tensor, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  tensor.set_raw_data(bytes.data(), bytes.size());  // little-endian, as this machine
}

/// A value of the model's surface; its first dimension is the batch.
void describe(onnx::ValueInfoProto& info, const std::string& name, int type,
              const std::vector<int64_t>& dims) {
  info.set_name(name);
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape()->add_dim()->set_dim_param("n");
  for (const int64_t dim : dims) tensor->mutable_shape()->add_dim()->set_dim_value(dim);
}

}  // namespace

struct OnnxGraph::Impl {
  onnx::ModelProto model;
  onnx::GraphProto* graph = model.mutable_graph();
  std::unordered_set<std::string> names;
  std::unordered_map<std::string, PortableValue> other_form;  ///< of a vector its image, and back

  /// The name, or with "_2", "_3" when that is taken.
  std::string unique(const std::string& name) {
    std::string result = name;
    for (int i = 2; !names.insert(result).second; ++i) result = fmt::format("{}_{}", name, i);
    return result;
  }

  onnx::TensorProto& constant(const std::string& name, int type, const std::vector<int64_t>& dims) {
    onnx::TensorProto& tensor = *graph->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (const int64_t dim : dims) tensor.add_dims(dim);
    return tensor;
  }
};

OnnxGraph::OnnxGraph(const std::string& name, const std::vector<std::string>& reserved)
    : impl_(std::make_unique<Impl>()) {
  impl_->graph->set_name(name);
  impl_->names.insert(reserved.begin(), reserved.end());
}

OnnxGraph::~OnnxGraph() = default;

PortableValue OnnxGraph::node(std::string_view op, const std::vector<PortableValue>& inputs,
                              const std::vector<PortableAttribute>& attributes) {
  onnx::NodeProto& node = *impl_->graph->add_node();
  const std::string name = impl_->unique(fmt::format("{}.{}", owner_, op));
  node.set_name(name);
  node.set_op_type(std::string(op));
  for (const PortableValue& input : inputs) node.add_input(input.name);
  node.add_output(name);
  for (const PortableAttribute& attribute : attributes) {
    onnx::AttributeProto& added = *node.add_attribute();
    added.set_name(std::string(attribute.name));
    std::visit(SetAttribute{added}, attribute.value);
  }
  return {name, inputs[0].vector};
}

PortableValue OnnxGraph::floats(std::string_view name, const std::vector<int64_t>& dims,
                                std::span<const float> values) {
  const std::string unique = impl_->unique(fmt::format("{}.{}", owner_, name));
  set_raw(impl_->constant(unique, onnx::TensorProto::FLOAT, dims), values);
  return {unique};
}

PortableValue OnnxGraph::integers(std::string_view name, std::span<const int64_t> values) {
  const std::string unique = impl_->unique(fmt::format("{}.{}", owner_, name));
  const std::vector<int64_t> dims{static_cast<int64_t>(values.size())};
  set_raw(impl_->constant(unique, onnx::TensorProto::INT64, dims), values);
  return {unique};
}

PortableValue OnnxGraph::as_vector(const PortableValue& value) {
  if (value.vector) return value;
  const auto known = impl_->other_form.find(value.name);
  if (known != impl_->other_form.end()) return known->second;
  return converted(value, node("Flatten", {value}, {{"axis", int64_t{1}}}));
}

PortableValue OnnxGraph::as_image(const PortableValue& value) {
  if (!value.vector) return value;
  const auto known = impl_->other_form.find(value.name);
  if (known != impl_->other_form.end()) return known->second;
  const int64_t axes[]{2, 3};
  return converted(value, node("Unsqueeze", {value, integers("axes", axes)}));
}

PortableValue OnnxGraph::converted(const PortableValue& value, PortableValue form) {
  form.vector = !value.vector;
  impl_->other_form[value.name] = form;
  impl_->other_form[form.name] = value;
  return form;
}

PortableValue OnnxGraph::image_input(const std::string& name, const Shape& image, DType type) {
  describe(*impl_->graph->add_input(), name,
           type == DType::u8 ? onnx::TensorProto::UINT8 : onnx::TensorProto::FLOAT,
           {image.h, image.w, image.c});
  return {name};
}

PortableValue OnnxGraph::strings(const std::string& name, const std::vector<std::string>& values) {
  onnx::TensorProto& tensor =
      impl_->constant(name, onnx::TensorProto::STRING, {static_cast<int64_t>(values.size())});
  for (const std::string& value : values) tensor.add_string_data(value);
  return {name};
}

void OnnxGraph::output(const PortableValue& value, const std::string& name, int64_t columns) {
  for (onnx::NodeProto& node : *impl_->graph->mutable_node()) {
    for (std::string& input : *node.mutable_input()) {
      if (input == value.name) input = name;
    }
    for (std::string& output : *node.mutable_output()) {
      if (output == value.name) output = name;
    }
  }
  if (columns > 0) {
    describe(*impl_->graph->add_output(), name, onnx::TensorProto::FLOAT, {columns});
  } else {
    describe(*impl_->graph->add_output(), name, onnx::TensorProto::STRING, {});
  }
}

std::string OnnxGraph::serialized(
    const std::string& engine_version,
    const std::vector<std::pair<std::string, std::string>>& metadata) {
  onnx::ModelProto& model = impl_->model;
  model.set_ir_version(kIrVersion);
  model.add_opset_import()->set_version(kOpset);
  model.set_producer_name("engine");
  model.set_producer_version(engine_version);
  for (const auto& [key, value] : metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  const size_t bytes = model.ByteSizeLong();
  if (bytes > kMostBytes) {
    fail(ExitCode::experiment,
         "the model takes {} bytes, and an ONNX file holds at most {}; export it with --format "
         "safetensors instead",
         bytes, kMostBytes);
  }
  try {
    onnx::checker::check_model(model);
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), {true, 1, false});
    model.mutable_graph()->clear_value_info();  // only looked for contradictions
  } catch (const std::exception& error) {
    fail(ExitCode::internal, "ONNX's checker refuses the model: {}", error.what());
  }
  return model.SerializeAsString();
}

}  // namespace engine
