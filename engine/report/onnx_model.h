#pragma once

#include <string>

#include "engine/run/experiment.h"
#include "engine/run/trainer.h"

namespace engine {

/// What goes into a model for other programs.
struct ModelParts {
  const Experiment& experiment;
  const SavedRun& run;  ///< of that experiment
  Shape image;          ///< as the data source gives it, n = 1
  const Registry& registry;
  std::string engine_version;
};

/// An ONNX model (opset 17) that answers like `engine predict`: input "image" uint8 [n, height,
/// width, channels]; outputs "probabilities" float32 [n, classes] and "label", the names of the
/// most probable classes. Preprocessing is part of it, without noise and what only training does;
/// each image is taken by itself. The same parts give the same bytes.
///
/// Throws Error: data when the weights do not fit the network, experiment when the network does not
/// end in one value for each class, internal when ONNX's checker refuses the model.
std::string onnx_model(const ModelParts& parts);

/// The network alone: input "input" float32 [n, height, width, channels] as it sees images, output
/// "logits" float32 [n, classes]. weights: of the graph's nodes, in their order.
std::string onnx_network(const Graph& graph, const std::vector<NamedTensor>& weights,
                         const std::string& engine_version);

}  // namespace engine
