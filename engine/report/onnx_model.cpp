#include "engine/report/onnx_model.h"

#include <map>

#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/report/onnx_graph.h"
#include "engine/run/fit_weights.h"

namespace engine {
namespace {

constexpr int64_t kFloat = 1;  // ONNX's number of the type float32

/// The form in which the operators of ONNX work.
PortableValue channels_first(OnnxGraph& onnx, const PortableValue& x) {
  return onnx.node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
}

/// float32 = uint8 / 255.
PortableValue first_steps(OnnxGraph& onnx, const Shape& image) {
  onnx.begin("image");
  PortableValue x = onnx.image_input("image", image, DType::u8);
  x = onnx.node("Cast", {x}, {{"to", kFloat}});
  x = onnx.node("Div", {x, onnx.number("scale", 255)});
  return channels_first(onnx, x);
}

PortableValue preprocess(OnnxGraph& onnx, PortableValue x, const ModelParts& parts,
                         Shape& network_input) {
  std::vector<const Stage*> stages;
  for (const auto& stage : parts.experiment.preprocess) stages.push_back(stage.get());
  const StageOrder order = order_stages(stages, parts.image);
  const auto statistics = split_statistics(stages, order, parts.run.statistics);
  for (size_t i = 0; i < stages.size(); ++i) {
    onnx.begin("preprocess." + stages[i]->name);
    x = stages[i]->portable({onnx, x, order.shapes[i], statistics[i]});
  }
  network_input = order.output();
  return x;
}

/// The parameters of a node, under the names that files have for them.
std::vector<PortableValue> parameters_of(OnnxGraph& onnx, const Node& node,
                                         std::vector<NamedTensor>::const_iterator& next) {
  std::vector<PortableValue> values;
  for (const ParameterSpec& spec : node.signature.parameters) {
    const NamedTensor& tensor = *next++;
    values.push_back(
        onnx.floats(spec.name, spec.dims, {tensor.f32(), static_cast<size_t>(tensor.elements())}));
  }
  return values;
}

/// Values of the graph's nodes, in their order.
std::vector<PortableValue> put_network(OnnxGraph& onnx, const PortableValue& input,
                                       const Graph& graph,
                                       const std::vector<NamedTensor>& weights) {
  std::vector<PortableValue> values;
  auto next = weights.begin();
  for (const Node& node : graph.nodes) {
    const bool loss = static_cast<int>(values.size()) == graph.loss;
    onnx.begin(loss ? "softmax" : node.name);
    const std::vector<PortableValue> parameters = parameters_of(onnx, node, next);
    std::vector<PortableValue> inputs;
    std::vector<Shape> shapes;
    for (const int i : node.inputs) {
      inputs.push_back(i == kGraphInput ? input : values[static_cast<size_t>(i)]);
      shapes.push_back(graph.shape_of(i));
    }
    values.push_back(node.op->portable({onnx, inputs, shapes, parameters}));
  }
  return values;
}

std::vector<std::pair<std::string, std::string>> metadata_of(const ModelParts& parts) {
  Array classes;
  for (const std::string& name : parts.run.classes) classes.emplace_back(name);
  const std::string* checksum = find(parts.run.metadata, "engine.checksum");
  return {{"classes", to_json(Value(std::move(classes)))},
          {"engine.version", parts.engine_version},
          {"engine.experiment", parts.experiment.name},
          {"engine.epoch", std::to_string(parts.run.epoch)},
          {"engine.weights", checksum ? *checksum : ""}};
}

}  // namespace

std::string onnx_model(const ModelParts& parts) {
  const auto classes = static_cast<int64_t>(parts.run.classes.size());
  OnnxGraph onnx(parts.experiment.name, {"image", "probabilities", "label", "classes"});
  Shape input;
  const PortableValue image = preprocess(onnx, first_steps(onnx, parts.image), parts, input);
  const Graph graph = build_graph(parts.experiment.network, input, {classes}, parts.registry, {});
  if (graph.loss == kGraphInput) {
    fail(ExitCode::experiment,
         "the network ends in {}, expected one value for each of the run's {} classes",
         to_string(graph.shape_of(graph.logits)), classes);
  }
  const FittedWeights weights = fit_weights(graph, parts.run.parameters, parts.run.weights);
  const std::vector<PortableValue> values = put_network(onnx, image, graph, weights.parameters);

  onnx.begin("label");
  const PortableValue logits = onnx.as_vector(
      graph.logits == kGraphInput ? image : values[static_cast<size_t>(graph.logits)]);
  const PortableValue best =
      onnx.node("ArgMax", {logits}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}});
  const PortableValue label = onnx.node(
      "Gather", {onnx.strings("classes", parts.run.classes), best}, {{"axis", int64_t{0}}});
  onnx.output(values[static_cast<size_t>(graph.loss)], "probabilities", classes);
  onnx.output(label, "label", 0);
  return onnx.serialized(parts.engine_version, metadata_of(parts));
}

std::string onnx_network(const Graph& graph, const std::vector<NamedTensor>& weights,
                         const std::string& engine_version) {
  OnnxGraph onnx("network", {"input", "logits"});
  onnx.begin("input");
  const PortableValue input =
      channels_first(onnx, onnx.image_input("input", graph.input, DType::f32));
  const std::vector<PortableValue> values = put_network(onnx, input, graph, weights);
  onnx.begin("logits");
  onnx.output(onnx.as_vector(values[static_cast<size_t>(graph.logits)]), "logits",
              graph.shape_of(graph.logits).c);
  return onnx.serialized(engine_version, {});
}

}  // namespace engine
