#pragma once

#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "engine/core/stage.h"
#include "engine/report/picture.h"
#include "engine/run/experiment.h"

namespace engine {

/// A stage of preprocessing, and the values after it in epoch 0.
struct StageFigures {
  std::string name;   ///< of the stage; "original" before the first
  std::string op;     ///< its type
  std::string brief;  ///< its attributes
  bool every_epoch = false;
  bool left_out = false;  ///< for training only, and these are not training images
  Shape shape;            ///< n: the images
  double low = 0, high = 0, mean = 0, deviation = 0;  ///< of the values; the population's
};

/// Some images after one stage.
struct StageImages : StageFigures {
  std::vector<float> values;
};

/// Stages over a set of images. statistics are those of the whole pipeline (Pipeline::statistics);
/// training says whether stages for training only apply.
struct StagedImages {
  const Experiment& experiment;
  const Registry& registry;
  Device& device;
  const ImageSet& images;
  const std::vector<double>& statistics;
  bool training = true;
};

/// Images `rows` before any stage and after each. Runs over those images only, unless a stage mixes
/// samples: then over all.
std::vector<StageImages> stage_images(const StagedImages& set, const std::vector<int32_t>& rows);

/// The figures of all images of the set, before any stage and after each. Holds the values of a
/// thousand images in memory at a time, beside what the pipeline prepares.
std::vector<StageFigures> stage_figures(const StagedImages& set);

/// Which values pictures of a stage show as black and white: 0 and 1 for ordinary images, else
/// their smallest and largest value.
struct ShownRange {
  double black = 0, white = 1;
};
ShownRange shown_range(const StageFigures& stage);
Picture stage_picture(const StageImages& stage, size_t image);

/// Up to count rows: the first of each class in turn, then the second ...
std::vector<int32_t> rows_of_all_classes(const ImageSet& images, size_t classes, size_t count);

}  // namespace engine
