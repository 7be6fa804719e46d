#pragma once

#include <memory>
#include <vector>

#include "engine/core/stage.h"

namespace engine {

/// Needs no more than a table lookup or a few operations a pixel: cheaper to repeat for each batch,
/// from uint8, than to keep its float32 result.
bool is_cheap(const Stage& stage);

/// Throws Error when a set is not of the images that the pipeline was made for.
void check_images(const ImageSet& images, Shape image);

/// Mean of each channel, then its standard deviation, from the sums of each image of a set: of each
/// channel, then of each channel's squares. Adds in the images' order.
std::vector<double> channel_statistics(const std::vector<double>& sums, Shape images);

std::unique_ptr<Pipeline> make_cpu_pipeline(const PipelineSetup& setup);
std::unique_ptr<Pipeline> make_cuda_pipeline(const PipelineSetup& setup);

}  // namespace engine
