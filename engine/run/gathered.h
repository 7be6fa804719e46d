#pragma once

#include <vector>

#include "engine/core/stage.h"

namespace engine {

/// All samples of a set as the network sees them in epoch 0: through the every-epoch stages, in the
/// set's order, float32 NHWC.
std::vector<float> gathered(Device& device, Pipeline& pipeline, const PreparedSet& set);
/// The same of some rows.
std::vector<float> gathered(Device& device, Pipeline& pipeline, const PreparedSet& set,
                            const std::vector<int32_t>& order);

}  // namespace engine
