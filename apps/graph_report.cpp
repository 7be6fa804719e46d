#include "apps/graph_report.h"

#include <numeric>

#include "apps/options.h"

namespace engine {
namespace {

template <class Member>
int64_t sum(const std::vector<NodeReport>& nodes, Member member) {
  return std::accumulate(
      nodes.begin(), nodes.end(), int64_t{0},
      [member](int64_t total, const NodeReport& node) { return total + node.*member; });
}

}  // namespace

int64_t NetworkReport::parameters() const {
  return sum(nodes, &NodeReport::parameters);
}
int64_t NetworkReport::state() const {
  return sum(nodes, &NodeReport::state);
}
int64_t NetworkReport::multiply_adds() const {
  return sum(nodes, &NodeReport::multiply_adds);
}
int64_t NetworkReport::bytes() const {
  return sum(nodes, &NodeReport::bytes);
}

NetworkReport describe_network(const Experiment& experiment, const Registry& registry,
                               Shape source_image, int64_t classes) {
  const Shape input = preprocessed_shape(experiment, source_image.with_batch(1));
  const Graph graph = build_graph(
      experiment.network, input, {classes}, registry,
      {.batch = 1, .training = true, .label_smoothing = experiment.train.label_smoothing});
  NetworkReport report{input, classes, {}};
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (static_cast<int>(i) == graph.loss) continue;
    NodeReport row{node.name, std::string(node.op->type()), node.op->brief(), node.block,
                   node.signature.output};
    for (const ParameterSpec& parameter : node.signature.parameters) {
      (parameter.trainable ? row.parameters : row.state) += parameter.elements();
    }
    row.multiply_adds = node.signature.multiply_adds;
    row.bytes = node.signature.output.elements() * static_cast<int64_t>(sizeof(float));
    report.nodes.push_back(std::move(row));
  }
  return report;
}

}  // namespace engine
