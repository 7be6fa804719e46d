#pragma once

#include <string>
#include <vector>

#include "engine/core/named_tensor.h"
#include "engine/graph/graph.h"

namespace engine {

/// Weights brought into the form of a network: float32, in the order of its nodes.
struct FittedWeights {
  std::vector<NamedTensor> parameters;
  std::vector<std::string> converted;  ///< "stem.weight": was of another type
  std::vector<std::string> ignored;    ///< PyTorch's counters of batches, which nothing needs
};

/// Checks names, shapes, types and values of tensors that may come from another program. Takes
/// float32, float64, float16 and bfloat16. Throws Error (data) that lists everything that is wrong,
/// with suggestions; path is the file's, for the message.
FittedWeights fit_weights(const Graph& graph, std::vector<NamedTensor> tensors,
                          const std::string& path);

}  // namespace engine
