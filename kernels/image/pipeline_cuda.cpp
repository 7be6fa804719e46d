#include <algorithm>

#include "engine/core/error.h"
#include "engine/cuda/cuda_device.h"
#include "kernels/image/image_runner_cuda.h"
#include "kernels/image/image_set_cuda.h"
#include "kernels/image/pipeline.h"
#include "kernels/image/shuffle_cuda.h"

namespace engine {
namespace {

using Works = std::vector<ImageWork>;

class CudaPreparedSet : public PreparedSet {
 public:
  int64_t count() const override { return count_; }
  size_t bytes() const override { return pixels.bytes() + labels.bytes() + samples.bytes(); }

  int64_t count_ = 0;
  Buffer pixels;  ///< uint8 as the source gave it, or float32 after the once-stages
  Buffer labels, samples;
  ImageRows rows;   ///< the images; where they are to go is the gather's
  Works on_gather;  ///< what remains to be done for each batch
};

class CudaPipeline : public Pipeline {
 public:
  explicit CudaPipeline(const PipelineSetup& setup)
      : setup_(setup),
        device_(as_cuda(setup.device)),
        order_(order_stages(setup.stages, setup.image)),
        runner_(device_, largest_image(), most_works()),
        shuffle_(device_),
        stages_(setup.stages.size()) {
    for (size_t i = 0; i < stages_.size(); ++i) make(i, {});
  }

  Shape output() const override { return order_.output(); }
  void measure(const ImageSet& training) override;
  std::vector<double> statistics() const override { return statistics_; }
  void set_statistics(std::span<const double> statistics) override;
  std::unique_ptr<PreparedSet> prepare(const ImageSet& images, bool training) override;
  void gather(const PreparedSet& set, const int32_t* order, const StepState* at,
              const TensorView& batch, int32_t* labels, int32_t* samples) override;
  void advance(StepState* at, int64_t rows) override { advance_cuda(device_, at, rows); }
  void shuffle(int64_t count, RandomKey random, uint32_t epoch, int32_t* order) override {
    shuffle_.run(count, random, epoch, order);
  }

 private:
  struct MadeStage {
    Works works;
    Buffer table;
    bool ready = false;  ///< nothing is left to be measured
  };

  int64_t largest_image() const;
  size_t most_works() const;
  void make(size_t i, std::span<const double> statistics);
  Buffer upload(const std::vector<int32_t>& numbers);
  size_t next_mixing(size_t begin, size_t end) const;
  Works works_between(size_t begin, size_t end, bool training) const;
  bool all_cheap() const;
  void advance(Buffer& held, const int32_t* samples, int64_t n, size_t begin, size_t end,
               bool training);
  Buffer materialise(const ImageSet& images, const int32_t* samples, size_t end, bool training);
  std::vector<double> measure_before(size_t stage, const ImageSet& training);

  PipelineSetup setup_;
  CudaDevice& device_;
  StageOrder order_;
  ImageRunnerCuda runner_;
  ShuffleCuda shuffle_;
  std::vector<MadeStage> stages_;
  std::vector<double> statistics_;
};

int64_t CudaPipeline::largest_image() const {
  int64_t largest = 0;
  for (const Shape& shape : order_.shapes) largest = std::max(largest, shape.per_sample());
  if (largest >= int64_t{1} << 31) {
    fail(ExitCode::experiment, "an image has {} elements; the GPU's limit is 2^31 - 1", largest);
  }
  return largest;
}

size_t CudaPipeline::most_works() const {
  size_t most = 0;
  for (const Stage* stage : setup_.stages) {
    const auto* smooth = dynamic_cast<const Smooth*>(stage);
    most += smooth && smooth->axes.height && smooth->axes.width ? 2 : 1;
  }
  return most;
}

void CudaPipeline::make(size_t i, std::span<const double> statistics) {
  const Stage& stage = *setup_.stages[i];
  StageWorks made = works_of(stage, order_.shapes[i], setup_.seed, statistics);
  MadeStage& to = stages_[i];
  to.table = Buffer(device_, sizeof(float) * made.table.size());
  device_.copy_to_device(to.table.data(), made.table.data(), to.table.bytes());
  for (ImageWork& work : made.works) work.table = to.table.f32();
  to.works = std::move(made.works);
  to.ready = !stage.needs_statistics() || !statistics.empty();
}

void CudaPipeline::measure(const ImageSet& training) {
  check_images(training, setup_.image);
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!setup_.stages[i]->needs_statistics()) continue;
    const std::vector<double> found = measure_before(i, training);
    make(i, found);
    statistics_.insert(statistics_.end(), found.begin(), found.end());
  }
}

void CudaPipeline::set_statistics(std::span<const double> statistics) {
  const auto parts = split_statistics(setup_.stages, order_, statistics);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty()) make(i, parts[i]);
  }
  statistics_.assign(statistics.begin(), statistics.end());
}

Buffer CudaPipeline::upload(const std::vector<int32_t>& numbers) {
  Buffer buffer(device_, sizeof(int32_t) * numbers.size());
  device_.copy_to_device(buffer.data(), numbers.data(), buffer.bytes());
  return buffer;
}

/// The first stage of [begin, end) that mixes samples; end when none does.
size_t CudaPipeline::next_mixing(size_t begin, size_t end) const {
  while (begin < end && !setup_.stages[begin]->mixes_samples()) ++begin;
  return begin;
}

Works CudaPipeline::works_between(size_t begin, size_t end, bool training) const {
  Works works;
  for (size_t i = begin; i < end; ++i) {
    if (setup_.stages[i]->training_only() && !training) continue;
    works.insert(works.end(), stages_[i].works.begin(), stages_[i].works.end());
  }
  return works;
}

/// Whether the once-stages are all repeated for each batch sooner than their results kept.
bool CudaPipeline::all_cheap() const {
  for (size_t i = 0; i < order_.once; ++i) {
    if (setup_.stages[i]->mixes_samples()) return false;
    if (!is_cheap(*setup_.stages[i]) && !stages_[i].works.empty()) return false;
  }
  return true;
}

/// n images, float32, from the input of stage begin to that of stage end; in place where they stay
/// as large. 4 bytes in and 4 out an element, in the fused kernel.
void CudaPipeline::advance(Buffer& held, const int32_t* samples, int64_t n, size_t begin,
                           size_t end, bool training) {
  const Works works = works_between(begin, end, training);
  const int64_t elements = order_.shapes[end].per_sample();
  ImageRows rows;
  rows.f32 = held.f32();
  rows.samples = samples;
  rows.elements = static_cast<uint32_t>(order_.shapes[begin].per_sample());
  rows.result_elements = static_cast<uint32_t>(elements);
  rows.count = static_cast<uint32_t>(n);
  Buffer fresh;
  if (rows.elements != rows.result_elements) {
    fresh = Buffer(device_, sizeof(float) * static_cast<size_t>(n * elements));
  }
  rows.out = fresh ? fresh.f32() : held.f32();
  runner_.run(rows, works);
  if (fresh) held = std::move(fresh);
}

/// All images through stages [0, end), float32. Stages between two that mix samples are one pass
/// over main memory; a stage that mixes samples is one more, and its other axes part of the next.
Buffer CudaPipeline::materialise(const ImageSet& images, const int32_t* samples, size_t end,
                                 bool training) {
  const int64_t n = images.shape.n;
  size_t stage = next_mixing(0, end);
  const Works works = works_between(0, stage, training);
  const int64_t elements = order_.shapes[stage].per_sample();
  Buffer held(device_, sizeof(float) * static_cast<size_t>(n * elements));
  ImageChunks chunks(device_, images, samples);
  for (int64_t first = 0; first < n; first += chunks.size()) {
    ImageRows rows = chunks.load(first);
    rows.result_elements = static_cast<uint32_t>(elements);
    rows.out = held.f32() + first * elements;
    runner_.run(rows, works);
  }
  while (stage < end) {
    smooth_samples_cuda(device_, static_cast<const Smooth&>(*setup_.stages[stage]), held.f32(), n,
                        order_.shapes[stage].per_sample());
    const size_t next = next_mixing(stage + 1, end);
    advance(held, samples, n, stage, next, training);
    stage = next;
  }
  return held;
}

std::vector<double> CudaPipeline::measure_before(size_t stage, const ImageSet& training) {
  const Shape shape = order_.shapes[stage];
  const int64_t n = training.shape.n, elements = shape.per_sample();
  const Buffer samples = upload(training.samples);
  const auto* numbers = static_cast<const int32_t*>(samples.data());
  std::vector<double> sums;
  if (next_mixing(0, stage) < stage) {
    const Buffer all = materialise(training, numbers, stage, false);
    sum_channels_cuda(device_, all.f32(), shape.with_batch(n), sums);
    return channel_statistics(sums, shape.with_batch(n));
  }
  const Works works = works_between(0, stage, false);
  ImageChunks chunks(device_, training, numbers);
  const Buffer results(device_, sizeof(float) * static_cast<size_t>(chunks.size() * elements));
  for (int64_t first = 0; first < n; first += chunks.size()) {
    ImageRows rows = chunks.load(first);
    rows.result_elements = static_cast<uint32_t>(elements);
    rows.out = results.f32();
    runner_.run(rows, works);
    sum_channels_cuda(device_, results.f32(), shape.with_batch(rows.count), sums);
  }
  return channel_statistics(sums, shape.with_batch(n));
}

std::unique_ptr<PreparedSet> CudaPipeline::prepare(const ImageSet& images, bool training) {
  check_images(images, setup_.image);
  for (const MadeStage& stage : stages_) {
    if (!stage.ready) fail(ExitCode::internal, "prepare before measure");
  }
  auto set = std::make_unique<CudaPreparedSet>();
  set->count_ = images.shape.n;
  set->labels = upload(images.labels);
  set->samples = upload(images.samples);
  ImageRows& rows = set->rows;
  rows.labels = static_cast<const int32_t*>(set->labels.data());
  rows.samples = static_cast<const int32_t*>(set->samples.data());
  size_t done = 0;
  if (all_cheap()) {
    set->pixels = Buffer(device_, images.pixels.size());
    device_.copy_to_device(set->pixels.data(), images.pixels.data(), set->pixels.bytes());
    rows.u8 = static_cast<const uint8_t*>(set->pixels.data());
  } else {
    done = order_.once;
    set->pixels = materialise(images, rows.samples, done, training);
    rows.f32 = set->pixels.f32();
  }
  rows.elements = static_cast<uint32_t>(order_.shapes[done].per_sample());
  rows.result_elements = static_cast<uint32_t>(order_.output().per_sample());
  set->on_gather = works_between(done, stages_.size(), training);
  return set;
}

void CudaPipeline::gather(const PreparedSet& prepared, const int32_t* order, const StepState* at,
                          const TensorView& batch, int32_t* labels, int32_t* samples) {
  const auto& set = static_cast<const CudaPreparedSet&>(prepared);
  ImageRows rows = set.rows;
  rows.order = order;
  rows.at = at;
  rows.count = static_cast<uint32_t>(batch.shape.n);
  rows.out = batch.data;
  rows.out_type = batch.dtype;
  rows.out_labels = labels;
  rows.out_samples = samples;
  runner_.run(rows, set.on_gather);
}

}  // namespace

std::unique_ptr<Pipeline> make_cuda_pipeline(const PipelineSetup& setup) {
  return std::make_unique<CudaPipeline>(setup);
}

}  // namespace engine
