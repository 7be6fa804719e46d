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

/// Throws Error when a set is not of the images that the pipeline was made for.
void check_images(const ImageSet& images, Shape image);

/// Mean of each channel, then its standard deviation, from the sums of each image of a set: of each
/// channel, then of each channel's squares. Adds in the images' order.
std::vector<double> channel_statistics(const std::vector<double>& sums, Shape images);

/// The part of a pipeline's statistics that belongs to each stage: empty for those that need none.
/// Throws Error (data) when there are more or fewer than the stages need.
std::vector<std::span<const double>> split_statistics(const std::vector<const Stage*>& stages,
                                                      const StageOrder& order,
                                                      std::span<const double> statistics);

std::unique_ptr<Pipeline> make_cpu_pipeline(const PipelineSetup& setup);
std::unique_ptr<Pipeline> make_cuda_pipeline(const PipelineSetup& setup);

}  // namespace engine
