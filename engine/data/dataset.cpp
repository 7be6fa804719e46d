#include "engine/data/dataset.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/core/file.h"
#include "engine/core/random.h"
#include "engine/data/cifar10.h"
#include "engine/data/image_folder.h"
#include "engine/data/limits.h"
#include "engine/data/shapes.h"
#include "engine/data/sources.h"

namespace engine {

std::vector<int64_t> spread(int64_t count, int64_t limit) {
  if (limit <= 0 || limit > count) limit = count;
  std::vector<int64_t> indices(limit);
  for (int64_t i = 0; i < limit; ++i) indices[i] = i * count / limit;
  return indices;
}

void allocate_pixels(ImageSet& set, Shape shape) {
  constexpr uintptr_t kHugePage = uintptr_t{2} << 20;
  const auto bytes = static_cast<size_t>(shape.elements());
  set.shape = shape;
  set.pixels.clear();
  set.pixels.reserve(bytes);
  const auto begin = reinterpret_cast<uintptr_t>(set.pixels.data());
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
  // A wish: without it the memory is the same, only slower to get.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  set.pixels.resize(bytes);
}

void keep_only(ImageSet& set, const std::vector<int64_t>& indices) {
  if (static_cast<int64_t>(indices.size()) == set.shape.n) return;
  const int64_t bytes = set.shape.per_sample();
  for (size_t i = 0; i < indices.size(); ++i) {
    std::memmove(&set.pixels[i * bytes], &set.pixels[indices[i] * bytes], bytes);
    set.labels[i] = set.labels[indices[i]];
    set.samples[i] = set.samples[indices[i]];
  }
  set.shape.n = static_cast<int64_t>(indices.size());
  set.pixels.resize(indices.size() * bytes);
  set.pixels.shrink_to_fit();
  set.labels.resize(indices.size());
  set.samples.resize(indices.size());
}

void number_samples(Dataset& data) {
  data.train.samples.resize(data.train.shape.n);
  data.test.samples.resize(data.test.shape.n);
  std::iota(data.train.samples.begin(), data.train.samples.end(), 0);
  std::iota(data.test.samples.begin(), data.test.samples.end(),
            static_cast<int32_t>(data.train.shape.n));
}

std::string fingerprint(const Dataset& data) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       XXH3_freeState);
  XXH3_128bits_reset(state.get());
  for (const ImageSet* set : {&data.train, &data.test}) {
    const int64_t shape[] = {set->shape.n, set->shape.h, set->shape.w, set->shape.c};
    XXH3_128bits_update(state.get(), shape, sizeof shape);
    XXH3_128bits_update(state.get(), set->pixels.data(), set->pixels.size());
    XXH3_128bits_update(state.get(), set->labels.data(), set->labels.size() * sizeof(int32_t));
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

namespace {

/// What a single key's range cannot say.
void check_config(const DataConfig& config) {
  if (config.channels == 2) {
    fail(ExitCode::experiment, "data.channels: expected 1 or 3, got 2");
  }
  if (config.source == DataConfig::Source::cifar10) return;
  const int64_t most = kDataLimits.target_pixels;
  if (config.size.h > most || config.size.w > most || config.size.h * config.size.w > most) {
    fail(ExitCode::experiment, "data.size: expected at most {} pixels in all, got {}x{}", most,
         config.size.h, config.size.w);
  }
}

}  // namespace

std::string resolve_data_dir(const std::string& option) {
  if (!option.empty()) return option;
  if (is_folder("data")) return "data";
  const char* named = std::getenv("ENGINE_DATA");
  return named && *named ? named : "data";
}

DatasetInfo inspect_dataset(const DataConfig& config, const DataOptions& options) {
  check_config(config);
  const Shape image{1, config.size.h, config.size.w, config.channels};
  switch (config.source) {
    case DataConfig::Source::cifar10:
      return {{1, 32, 32, 3}, {Cifar10::kClasses.begin(), Cifar10::kClasses.end()}};
    case DataConfig::Source::shapes:
      return {{1, config.size.h, config.size.w, 3}, shape_classes()};
    case DataConfig::Source::image_folder:
      break;
  }
  return {image, list_classes(image_folder_root(config, options.data_dir))};
}

int64_t count_training_images(const DataConfig& config, const DataOptions& options) {
  check_config(config);
  int64_t count = config.count;
  if (config.source == DataConfig::Source::cifar10) {
    constexpr int64_t kFiles = 5;
    count = kFiles * Cifar10().records;
  } else if (config.source == DataConfig::Source::image_folder) {
    const std::string root = image_folder_root(config, options.data_dir);
    count = static_cast<int64_t>(list_images(root, options.threads).train.size());
  }
  return config.limit > 0 ? std::min(count, config.limit) : count;
}

Dataset load_dataset(const DataConfig& config, const DataOptions& options, uint32_t seed) {
  check_config(config);
  if (config.source == DataConfig::Source::image_folder) return load_image_folder(config, options);
  Dataset data;
  if (config.source == DataConfig::Source::cifar10) {
    data = load_cifar10(options.data_dir, options.threads);
  } else {
    data = make_shapes(config, seed, options.threads);
  }
  keep_only(data.train, spread(data.train.shape.n, config.limit));
  keep_only(data.test, spread(data.test.shape.n, config.test_limit));
  number_samples(data);
  data.fingerprint = fingerprint(data);
  return data;
}

}  // namespace engine
