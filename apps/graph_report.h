#pragma once

// A network as `summary` and `check` see it: for one image, before any pass.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/run/experiment.h"

namespace engine {

struct NodeReport {
  std::string name, op, attributes, block;
  Shape output;
  int64_t parameters = 0;     ///< trainable
  int64_t state = 0;          ///< not trainable (running statistics)
  int64_t multiply_adds = 0;  ///< of one image
  int64_t bytes = 0;          ///< of the output for one image, float32
};

struct NetworkReport {
  Shape input;
  int64_t classes = 0;
  std::vector<NodeReport> nodes;  ///< as the file has them, without the loss

  int64_t parameters() const;
  int64_t state() const;
  int64_t multiply_adds() const;
  int64_t bytes() const;
};

/// What the network of an experiment looks like for images of the source. Throws Error (experiment)
/// when shapes do not fit.
NetworkReport describe_network(const Experiment& experiment, const Registry& registry,
                               Shape source_image, int64_t classes);

}  // namespace engine
