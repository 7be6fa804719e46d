#include "kernels/image/pipeline.h"

#include <cmath>

#include "engine/core/error.h"

namespace engine {

StageOrder order_stages(const std::vector<const Stage*>& stages, Shape image) {
  StageOrder order;
  order.shapes.push_back(image.with_batch(1));
  const Stage* fresh = nullptr;
  for (const Stage* stage : stages) {
    try {
      order.shapes.push_back(stage->infer(order.shapes.back()));
    } catch (const Error& error) {
      fail(error.code(), "preprocess.{}: {}", stage->name, error.what());
    }
    if (stage->when() == When::every_epoch) {
      if (!fresh) fresh = stage;
    } else if (fresh) {
      fail(ExitCode::experiment,
           "preprocess.{} runs once, but comes after \"{}\", which runs every epoch: put it before "
           "\"{}\", or give it \"when\": \"every_epoch\"",
           stage->name, fresh->name, fresh->name);
    } else {
      ++order.once;
    }
  }
  return order;
}

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

std::vector<std::span<const double>> split_statistics(const std::vector<const Stage*>& stages,
                                                      const StageOrder& order,
                                                      std::span<const double> statistics) {
  std::vector<std::span<const double>> parts(stages.size());
  std::span<const double> rest = statistics;
  bool fit = true;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (!stages[i]->needs_statistics()) continue;
    const size_t count = 2 * static_cast<size_t>(order.shapes[i].c);
    fit = count <= rest.size();
    if (!fit) break;
    parts[i] = rest.first(count);
    rest = rest.subspan(count);
  }
  if (!fit || !rest.empty()) {
    fail(ExitCode::data,
         "the run's {} preprocessing statistics do not fit its stages: was its config.json "
         "changed?",
         statistics.size());
  }
  return parts;
}

}  // namespace engine
