#include <omp.h>

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/permutation.h"
#include "engine/cpu/parallel.h"
#include "kernels/image/grayscale.h"
#include "kernels/image/image_runner_cpu.h"
#include "kernels/image/noise.h"
#include "kernels/image/normalize.h"
#include "kernels/image/pipeline.h"
#include "kernels/image/random_crop.h"
#include "kernels/image/random_flip.h"
#include "kernels/image/smooth.h"

namespace engine {
namespace {

class CpuPreparedSet : public PreparedSet {
 public:
  int64_t count() const override { return count_; }
  size_t bytes() const override { return pixels.bytes() + labels.bytes() + samples.bytes(); }

  int64_t count_ = 0;
  int64_t elements = 0;  ///< of one resident image
  bool is_u8 = false;
  Buffer pixels;  ///< uint8 as the source gave it, or float32 after the once-stages
  Buffer labels, samples;
  Steps on_gather;  ///< what remains to be done for each batch
};

class CpuPipeline : public Pipeline {
 public:
  explicit CpuPipeline(const PipelineSetup& setup)
      : setup_(setup), order_(order_stages(setup.stages, setup.image)) {
    size_t step_scratch = 0;
    int64_t largest = 0;
    for (const Shape& shape : order_.shapes) largest = std::max(largest, shape.per_sample());
    steps_.resize(setup_.stages.size());
    for (size_t i = 0; i < steps_.size(); ++i) {
      steps_[i] = make(i, {});
      if (steps_[i]) step_scratch = std::max(step_scratch, steps_[i]->scratch());
    }
    scratch_ = std::make_unique<Scratch>(setup_.device, largest, step_scratch);
  }

  Shape output() const override { return order_.output(); }

  void measure(const ImageSet& training) override {
    for (size_t i = 0; i < setup_.stages.size(); ++i) {
      if (!setup_.stages[i]->needs_statistics()) continue;
      const std::vector<double> found = measure_before(i, training);
      steps_[i] = make(i, found);
      statistics_.insert(statistics_.end(), found.begin(), found.end());
    }
  }

  std::vector<double> statistics() const override { return statistics_; }

  void set_statistics(std::span<const double> statistics) override {
    const auto parts = split_statistics(setup_.stages, order_, statistics);
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i].empty()) steps_[i] = make(i, parts[i]);
    }
    statistics_.assign(statistics.begin(), statistics.end());
  }

  std::unique_ptr<PreparedSet> prepare(const ImageSet& images, bool training) override;
  void gather(const PreparedSet& set, const int32_t* order, const StepState* at,
              const TensorView& batch, int32_t* labels, int32_t* samples) override;
  void advance(StepState* at, int64_t rows) override { at->position += rows; }
  void shuffle(int64_t count, RandomKey random, uint32_t epoch, int32_t* order) override {
    const std::vector<int32_t> rows = permutation(count, random, epoch);
    std::copy(rows.begin(), rows.end(), order);
  }

 private:
  std::unique_ptr<ImageStep> make(size_t i, std::span<const double> statistics) const;
  bool all_measured() const;
  Steps steps_between(size_t begin, size_t end, bool training) const;
  Buffer materialise(const ImageSet& images, size_t end, bool training);
  std::vector<double> measure_before(size_t stage, const ImageSet& training);

  PipelineSetup setup_;
  StageOrder order_;
  std::vector<std::unique_ptr<ImageStep>> steps_;  ///< null: nothing to do, or not measured yet
  std::vector<double> statistics_;
  std::unique_ptr<Scratch> scratch_;
};

std::unique_ptr<ImageStep> CpuPipeline::make(size_t i, std::span<const double> statistics) const {
  const Stage* stage = setup_.stages[i];
  const Shape input = order_.shapes[i];
  if (auto* s = dynamic_cast<const Grayscale*>(stage)) return make_step(*s, input);
  if (auto* s = dynamic_cast<const Noise*>(stage)) return make_step(*s, input, setup_.seed);
  if (auto* s = dynamic_cast<const Smooth*>(stage)) return make_step(*s, input);
  if (auto* s = dynamic_cast<const RandomFlip*>(stage)) return make_step(*s, input, setup_.seed);
  if (auto* s = dynamic_cast<const RandomCrop*>(stage)) return make_step(*s, input, setup_.seed);
  if (auto* s = dynamic_cast<const Normalize*>(stage)) return make_step(*s, input, statistics);
  fail(ExitCode::internal, "stage \"{}\" has no implementation on the CPU", stage->type());
}

bool CpuPipeline::all_measured() const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (setup_.stages[i]->needs_statistics() && !steps_[i]) return false;
  }
  return true;
}

Steps CpuPipeline::steps_between(size_t begin, size_t end, bool training) const {
  Steps steps;
  for (size_t i = begin; i < end; ++i) {
    if (setup_.stages[i]->training_only() && !training) continue;
    if (steps_[i]) steps.push_back(steps_[i].get());
  }
  return steps;
}

/// All images through stages [0, end), float32. Stages between two that mix samples are one pass
/// over main memory; a stage that mixes samples is one more.
Buffer CpuPipeline::materialise(const ImageSet& images, size_t end, bool training) {
  const int64_t n = images.shape.n;
  Buffer held;
  Source source{images.pixels.data(), nullptr, images.shape.per_sample()};
  size_t begin = 0;
  while (true) {
    size_t mixing = begin;
    while (mixing < end && !setup_.stages[mixing]->mixes_samples()) ++mixing;
    const int64_t elements = order_.shapes[mixing].per_sample();
    const Steps steps = steps_between(begin, mixing, training);
    Buffer fresh;
    if (source.u8 || elements != source.elements) {
      fresh = Buffer(setup_.device, sizeof(float) * n * elements);
    }
    float* out = fresh ? fresh.f32() : held.f32();
    parallel_for(n, [&](int64_t i) {
      run_image(steps, source.image(i), out + i * elements, *scratch_,
                {0, static_cast<uint32_t>(images.samples[i])});
    });
    if (fresh) held = std::move(fresh);
    if (mixing == end) return held;
    smooth_samples(static_cast<const Smooth&>(*setup_.stages[mixing]), held.f32(), n, elements);
    source = {nullptr, held.f32(), elements};
    // The same stage's other axes come next, image by image.
    const Steps rest = steps_between(mixing, mixing + 1, training);
    parallel_for(n, [&](int64_t i) {
      run_image(rest, source.image(i), held.f32() + i * elements, *scratch_, {});
    });
    begin = mixing + 1;
  }
}

std::vector<double> CpuPipeline::measure_before(size_t stage, const ImageSet& training) {
  check_images(training, setup_.image);
  scratch_->ready();
  const int64_t n = training.shape.n;
  const Shape shape = order_.shapes[stage];
  Source source{training.pixels.data(), nullptr, training.shape.per_sample()};
  Steps steps = steps_between(0, stage, false);
  Buffer mixed;
  for (size_t i = 0; i < stage; ++i) {
    if (!setup_.stages[i]->mixes_samples()) continue;
    mixed = materialise(training, stage, false);
    source = {nullptr, mixed.f32(), shape.per_sample()};
    steps.clear();
    break;
  }
  // Sums of each image, then of all in order: the same result for any number of threads.
  std::vector<double> sums(static_cast<size_t>(n) * 2 * shape.c);
  std::vector<float> images(static_cast<size_t>(omp_get_max_threads()) * shape.per_sample());
  parallel_for(n, [&](int64_t i) {
    float* image = &images[omp_get_thread_num() * shape.per_sample()];
    run_image(steps, source.image(i), image, *scratch_,
              {0, static_cast<uint32_t>(training.samples[i])});
    double* sum = &sums[i * 2 * shape.c];
    for (int64_t p = 0; p < shape.h * shape.w; ++p) {
      for (int64_t c = 0; c < shape.c; ++c) {
        const double x = image[p * shape.c + c];
        sum[c] += x;
        sum[shape.c + c] += x * x;
      }
    }
  });
  return channel_statistics(sums, shape.with_batch(n));
}

std::unique_ptr<PreparedSet> CpuPipeline::prepare(const ImageSet& images, bool training) {
  check_images(images, setup_.image);
  if (!all_measured()) fail(ExitCode::internal, "prepare before measure");
  scratch_->ready();
  auto set = std::make_unique<CpuPreparedSet>();
  set->count_ = images.shape.n;
  set->is_u8 = true;
  for (size_t i = 0; i < order_.once; ++i) {
    set->is_u8 = set->is_u8 && (is_cheap(*setup_.stages[i]) || !steps_[i]) &&
                 !setup_.stages[i]->mixes_samples();
  }
  const size_t done = set->is_u8 ? 0 : order_.once;
  set->elements = order_.shapes[done].per_sample();
  if (set->is_u8) {
    set->pixels = Buffer(setup_.device, images.pixels.size());
    setup_.device.copy_to_device(set->pixels.data(), images.pixels.data(), images.pixels.size());
  } else {
    set->pixels = materialise(images, done, training);
  }
  set->on_gather = steps_between(done, steps_.size(), training);
  const auto upload = [&](const std::vector<int32_t>& from) {
    Buffer buffer(setup_.device, sizeof(int32_t) * from.size());
    if (buffer) setup_.device.copy_to_device(buffer.data(), from.data(), buffer.bytes());
    return buffer;
  };
  set->labels = upload(images.labels);
  set->samples = upload(images.samples);
  return set;
}

void CpuPipeline::gather(const PreparedSet& prepared, const int32_t* order, const StepState* at,
                         const TensorView& batch, int32_t* labels, int32_t* samples) {
  const auto& set = static_cast<const CpuPreparedSet&>(prepared);
  scratch_->ready();
  Source source;
  source.elements = set.elements;
  if (set.is_u8) {
    source.u8 = static_cast<const uint8_t*>(set.pixels.data());
  } else {
    source.f32 = set.pixels.f32();
  }
  const auto* all_labels = static_cast<const int32_t*>(set.labels.data());
  const auto* all_samples = static_cast<const int32_t*>(set.samples.data());
  const int64_t elements = order_.output().per_sample();
  const uint32_t epoch = at->epoch;
  const int32_t* rows = order + at->position;
  parallel_for(batch.shape.n, [&](int64_t row) {
    const int64_t i = rows[row];
    run_image(set.on_gather, source.image(i), batch.f32() + row * elements, *scratch_,
              {epoch, static_cast<uint32_t>(all_samples[i])});
    if (labels && all_labels) labels[row] = all_labels[i];
    if (samples) samples[row] = all_samples[i];
  });
}

}  // namespace

std::unique_ptr<Pipeline> make_cpu_pipeline(const PipelineSetup& setup) {
  return std::make_unique<CpuPipeline>(setup);
}

}  // namespace engine
