#pragma once

#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/stage.h"
#include "engine/run/experiment.h"

namespace engine {

/// Some images after one stage of preprocessing, in epoch 0 of training.
struct StageImages {
  std::string name;   ///< of the stage; "original" before the first
  std::string op;     ///< its type
  std::string brief;  ///< its attributes
  Shape shape;        ///< n: the images
  std::vector<float> values;
  double low = 0, high = 0, mean = 0, deviation = 0;  ///< of the values
};

/// Images `rows` of a training split before any stage and after each. statistics are those of the
/// whole pipeline (Pipeline::statistics). Runs over those images only, unless a stage mixes
/// samples: then over all.
std::vector<StageImages> stage_images(const Experiment& experiment, const Registry& registry,
                                      Device& device, const ImageSet& training,
                                      const std::vector<int32_t>& rows,
                                      const std::vector<double>& statistics);

/// Up to count rows: the first of each class in turn, then the second ...
std::vector<int32_t> rows_of_all_classes(const ImageSet& images, size_t classes, size_t count);

}  // namespace engine
