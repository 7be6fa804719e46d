#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/error.h"
#include "engine/core/permutation.h"
#include "engine/data/dataset.h"
#include "engine/data/sources.h"
#include "engine/data/threads.h"

namespace engine {

namespace {

/// Images order[begin, end) of a set.
ImageSet select(const ImageSet& from, const std::vector<int32_t>& order, int64_t begin,
                int64_t end) {
  ImageSet set;
  const int64_t bytes = from.shape.per_sample();
  allocate_pixels(set, from.shape.with_batch(end - begin));
  set.samples.resize(end - begin);
  if (!from.labels.empty()) set.labels.resize(end - begin);
  for (int64_t i = begin; i < end; ++i) {
    set.samples[i - begin] = from.samples[order[i]];
    if (!from.labels.empty()) set.labels[i - begin] = from.labels[order[i]];
  }
  on_threads(0, end - begin, 1024, [&](int64_t i) {
    std::memcpy(&set.pixels[i * bytes], &from.pixels[order[begin + i] * bytes], bytes);
  });
  return set;
}

}  // namespace

Split split_dataset(Dataset&& dataset, double validation, uint32_t seed) {
  const int64_t count = dataset.train.shape.n;
  const auto kept = static_cast<int64_t>(std::llround(static_cast<double>(count) * validation));
  if (kept >= count) {
    fail(ExitCode::data,
         "data.validation: of {} training images {} would be for validation and none is left "
         "for training",
         count, kept);
  }
  Split split;
  {
    const ImageSet all = std::move(dataset.train);
    const auto order = permutation(count, {seed, random_stream("data", "split")}, 0);
    split.train = select(all, order, 0, count - kept);
    split.validation = select(all, order, count - kept, count);
  }
  ImageSet test = std::move(dataset.test);
  if (std::is_sorted(test.labels.begin(), test.labels.end())) {
    const auto order = permutation(test.shape.n, {seed, random_stream("data", "test")}, 0);
    split.test = select(test, order, 0, test.shape.n);
  } else {
    split.test = std::move(test);
  }
  return split;
}

}  // namespace engine
