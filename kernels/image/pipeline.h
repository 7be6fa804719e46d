#pragma once

#include <memory>
#include <vector>

#include "engine/core/stage.h"

namespace engine {

/// What follows from a list of stages, on any device.
struct StageOrder {
  std::vector<Shape> shapes;  ///< shapes[i] goes into stage i; the last is the network's input
  size_t once = 0;            ///< the first so many stages run once

  Shape output() const { return shapes.back(); }
};

/// Infers all shapes. Throws Error (experiment) that names the stage when one does not take its
/// input, or when a once-stage follows an every_epoch-stage.
StageOrder order_stages(const std::vector<const Stage*>& stages, Shape image);

/// Needs no more than a table lookup or a few operations a pixel: cheaper to repeat for each batch,
/// from uint8, than to keep its float32 result.
bool is_cheap(const Stage& stage);

std::unique_ptr<Pipeline> make_cpu_pipeline(const PipelineSetup& setup);

}  // namespace engine
