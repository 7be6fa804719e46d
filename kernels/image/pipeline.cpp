#include "kernels/image/pipeline.h"

#include <cmath>

#include "engine/core/error.h"

namespace engine {

bool is_cheap(const Stage& stage) {
  return stage.type() == "grayscale" || stage.type() == "normalize";
}

void check_images(const ImageSet& images, Shape image) {
  const auto count = static_cast<size_t>(images.shape.n);
  if (images.shape.with_batch(1) != image.with_batch(1)) {
    fail(ExitCode::data, "images are {}, but the experiment's are {}", to_string(images.shape),
         to_string(image));
  }
  if (images.pixels.size() != static_cast<size_t>(images.shape.elements()) ||
      images.samples.size() != count || (!images.labels.empty() && images.labels.size() != count)) {
    fail(ExitCode::internal, "an image set of {} images has {} bytes, {} labels, {} sample numbers",
         count, images.pixels.size(), images.labels.size(), images.samples.size());
  }
}

std::vector<double> channel_statistics(const std::vector<double>& sums, Shape images) {
  std::vector<double> result(2 * images.c);
  for (int64_t i = 0; i < images.n; ++i) {
    for (int64_t c = 0; c < 2 * images.c; ++c) result[c] += sums[i * 2 * images.c + c];
  }
  const auto pixels = static_cast<double>(images.pixels());
  for (int64_t c = 0; c < images.c; ++c) {
    result[c] /= pixels;
    const double variance = result[images.c + c] / pixels - result[c] * result[c];
    result[images.c + c] = variance > 1e-12 ? std::sqrt(variance) : 0;
  }
  return result;
}

}  // namespace engine
