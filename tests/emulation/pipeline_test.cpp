// The GPU's pipeline gives the CPU's bits: every stage, sizes down to one pixel, images in shared
// memory and images too large for it, statistics, and steps that are replayed.

#include "engine/core/error.h"
#include "engine/core/permutation.h"
#include "engine/cuda/described_device.h"
#include "engine/cuda/sort_pairs.h"
#include "kernels/image/image_passes_cuda.h"
#include "tests/emulation/emulator.h"
#include "tests/image/pipeline_support.h"
#include "tests/support/guarded_buffer.h"

namespace engine::test {
namespace {

/// What a gather leaves behind.
struct Gathered {
  std::vector<uint32_t> bits;
  std::vector<int32_t> labels, samples;
  bool operator==(const Gathered&) const = default;
};

Buffer to_device(Device& device, const void* from, size_t bytes) {
  Buffer buffer(device, bytes);
  device.copy_to_device(buffer.data(), from, bytes);
  return buffer;
}

std::vector<int32_t> to_host(Device& device, const Buffer& from) {
  std::vector<int32_t> numbers(from.bytes() / sizeof(int32_t));
  device.copy_to_host(numbers.data(), from.data(), from.bytes());
  return numbers;
}

/// A pipeline and the memory that a gather of rows reads and writes.
class Side {
 public:
  Side(std::unique_ptr<Device> device, PipelineFactory factory, const char* json, Shape image)
      : device_(std::move(device)), stages_(make_stages(json)) {
    PipelineSetup setup{{}, image, 77, *device_};
    for (const auto& stage : stages_) setup.stages.push_back(stage.get());
    pipeline_ = factory(setup);
  }

  Pipeline* operator->() { return pipeline_.get(); }
  Device& device() { return *device_; }

  void take(const std::vector<int32_t>& order, StepState at, int64_t count) {
    order_ = to_device(*device_, order.data(), sizeof(int32_t) * order.size());
    at_ = to_device(*device_, &at, sizeof(at));
    const Shape rows = pipeline_->output().with_batch(count);
    batch_ = std::make_unique<GuardedTensor>(*device_, rows);
    const std::vector<int32_t> unwritten(count, -1);
    labels_ = to_device(*device_, unwritten.data(), sizeof(int32_t) * count);
    samples_ = to_device(*device_, unwritten.data(), sizeof(int32_t) * count);
  }
  void set_state(StepState at) { device_->copy_to_device(at_.data(), &at, sizeof(at)); }

  void gather(const PreparedSet& set) {
    pipeline_->gather(set, static_cast<const int32_t*>(order_.data()),
                      static_cast<const StepState*>(at_.data()), batch_->view(),
                      static_cast<int32_t*>(labels_.data()),
                      static_cast<int32_t*>(samples_.data()));
  }

  Gathered result() {
    Gathered found;
    for (const float x : batch_->read()) found.bits.push_back(std::bit_cast<uint32_t>(x));
    found.labels = to_host(*device_, labels_);
    found.samples = to_host(*device_, samples_);
    EXPECT_TRUE(batch_->intact());
    return found;
  }

 private:
  std::unique_ptr<Device> device_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::unique_ptr<Pipeline> pipeline_;
  Buffer order_, at_, labels_, samples_;
  std::unique_ptr<GuardedTensor> batch_;
};

Side cpu_side(const char* json, Shape image) {
  return Side(make_cpu_device(), make_cpu_pipeline, json, image);
}
Side gpu_side(const char* json, Shape image) {
  return Side(make_tested_device(), make_cuda_pipeline, json, image);
}

void expect_same(const char* json, Shape shape, bool training) {
  const ImageSet images = random_images(shape, 1000);
  Side cpu = cpu_side(json, shape.with_batch(1)), gpu = gpu_side(json, shape.with_batch(1));
  ASSERT_EQ(cpu->output(), gpu->output());
  cpu->measure(images);
  gpu->measure(images);
  EXPECT_EQ(cpu->statistics(), gpu->statistics());
  const auto on_cpu = cpu->prepare(images, training), on_gpu = gpu->prepare(images, training);
  EXPECT_EQ(on_cpu->count(), on_gpu->count());
  EXPECT_EQ(on_cpu->bytes(), on_gpu->bytes());
  const auto last = static_cast<int32_t>(shape.n - 1);
  const std::vector<int32_t> order{last, 0, last / 2, 0, last, last / 3, 1 % (last + 1)};
  for (const int64_t count : {1, 5}) {
    cpu.take(order, {.epoch = 3, .position = 2}, count);
    gpu.take(order, {.epoch = 3, .position = 2}, count);
    cpu.gather(*on_cpu);
    gpu.gather(*on_gpu);
    const bool same = cpu.result() == gpu.result();
    EXPECT_TRUE(same) << json << " on " << to_string(shape);
    note_error(same ? 0 : std::numeric_limits<double>::infinity());
  }
}

constexpr const char* kForAnyChannels[] = {
    "[]",
    R"([{"op": "noise", "sigma": 0.3}])",
    R"([{"op": "noise", "sigma": 0}, {"op": "noise", "sigma": 0.3, "when": "every_epoch",
         "name": "fresh"}])",
    R"([{"op": "smooth", "sigma": 0.9, "axes": ["height"]}])",
    R"([{"op": "smooth", "sigma": 0.9, "axes": ["width"], "when": "every_epoch"}])",
    R"([{"op": "smooth", "sigma": 6.5, "when": "every_epoch"}])",
    R"([{"op": "smooth", "sigma": 0.1}])",
    R"([{"op": "smooth", "sigma": 1.2, "axes": ["sample"]}])",
    R"([{"op": "smooth", "sigma": 1.2, "axes": ["sample", "height", "width"]},
        {"op": "normalize"}])",
    R"([{"op": "normalize"}])",
    R"([{"op": "normalize", "mean": 0.4}])",
    R"([{"op": "normalize", "mean": 0.4, "std": 0.3, "when": "every_epoch"}])",
    R"([{"op": "random_flip"}, {"op": "random_flip", "name": "b", "mode": "vertical"}])",
    R"([{"op": "random_crop", "padding": 3}])",
    R"([{"op": "random_crop", "padding": 3, "padding_mode": "reflect"}])",
    R"([{"op": "noise", "sigma": 0.2}, {"op": "random_crop"}, {"op": "random_flip"},
        {"op": "noise", "name": "b", "sigma": 0.1, "when": "every_epoch"},
        {"op": "smooth", "sigma": 0.8, "when": "every_epoch"},
        {"op": "normalize", "when": "every_epoch"}])",
};

constexpr const char* kForColours[] = {
    R"([{"op": "grayscale"}])",
    R"([{"op": "grayscale", "weights": "luma", "when": "every_epoch"}])",
    R"([{"op": "grayscale", "weights": [0.5, -1, 2]}, {"op": "noise", "sigma": 0.1}])",
    R"([{"op": "normalize", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}])",
    R"([{"op": "smooth", "sigma": 0.7, "axes": ["sample", "width"]}, {"op": "grayscale"},
        {"op": "noise", "sigma": 0.1}, {"op": "normalize"},
        {"op": "smooth", "sigma": 1.1, "axes": ["sample", "height"], "name": "again"},
        {"op": "normalize", "name": "again_normal"},
        {"op": "random_crop", "padding": 2}, {"op": "random_flip"},
        {"op": "noise", "sigma": 0.1, "when": "every_epoch", "name": "fresh"}])",
};

class GpuPipelineSizes : public testing::TestWithParam<Shape> {};

TEST_P(GpuPipelineSizes, GivesTheBitsOfTheCpu) {
  const Shape shape = GetParam();
  for (const bool training : {true, false}) {
    for (const char* json : kForAnyChannels) expect_same(json, shape, training);
    if (shape.c != 3) continue;
    for (const char* json : kForColours) expect_same(json, shape, training);
  }
}

// Below and above each size of the fused kernel's buffers, whole and not whole fours of elements.
INSTANTIATE_TEST_SUITE_P(All, GpuPipelineSizes,
                         testing::Values(Shape{1, 1, 1, 1}, Shape{2, 1, 1, 3}, Shape{7, 1, 6, 1},
                                         Shape{7, 6, 1, 3}, Shape{9, 3, 5, 3}, Shape{4, 7, 9, 2},
                                         Shape{3, 5, 4, 5}, Shape{5, 28, 28, 1},
                                         Shape{4, 19, 18, 3}, Shape{3, 32, 32, 3},
                                         Shape{3, 33, 31, 3}, Shape{2, 47, 128, 1},
                                         Shape{2, 47, 43, 3}, Shape{3, 6, 1003, 1},
                                         Shape{3, 52, 48, 3}),
                         [](const auto& info) {
                           const Shape& s = info.param;
                           return fmt::format("n{}h{}w{}c{}", s.n, s.h, s.w, s.c);
                         });

uint64_t launches_of(const std::string& kernel) {
  const auto found = emulated::launches().find(kernel);
  return found == emulated::launches().end() ? 0 : found->second.count;
}

constexpr const char* kStep = R"([{"op": "grayscale"}, {"op": "random_crop"},
    {"op": "random_flip"}, {"op": "noise", "sigma": 0.1, "when": "every_epoch"}])";

TEST(GpuPipelineLaunches, AreOneForABatchOfImagesThatFit) {
  const Shape shape{8, 32, 32, 3};
  Side gpu = gpu_side(kStep, shape.with_batch(1));
  const auto set = gpu->prepare(random_images(shape), true);
  gpu.take({0, 1, 2, 3, 4, 5}, {}, 6);
  const uint64_t before = launches_of("run_images");
  const size_t allocated = emulated::allocated();
  emulated::fail_call(0, cudaSuccess);
  gpu.gather(*set);
  EXPECT_EQ(emulated::calls(), 1u);  // no allocation, no copy, nothing waited for
  EXPECT_EQ(launches_of("run_images"), before + 1);
  EXPECT_EQ(emulated::allocated(), allocated);
}

TEST(GpuPipelineLaunches, AreOneForEachWorkOnLargeImages) {
  const Shape shape{8, 60, 60, 3};
  Side gpu = gpu_side(kStep, shape.with_batch(1));
  const auto set = gpu->prepare(random_images(shape), true);
  gpu.take({0, 1, 2, 3, 4, 5}, {}, 6);
  emulated::fail_call(0, cudaSuccess);
  gpu.gather(*set);
  EXPECT_EQ(emulated::calls(), 5u);
}

TEST(GpuPipeline, TakesAnyNumberOfStages) {
  std::string json = "[";
  for (int i = 0; i < 21; ++i) {
    json += fmt::format(R"({}{{"op": "random_flip", "name": "flip {}"}})", i ? ", " : "", i);
    if (i >= 15) expect_same((json + "]").c_str(), {6, 5, 7, 3}, true);
  }
}

TEST(GpuPipeline, ReadsTheStateWhenItRuns) {
  const Shape shape{10, 9, 8, 3};
  const ImageSet images = random_images(shape, 30);
  const std::vector<int32_t> order{9, 3, 3, 0, 7, 1, 2, 8, 5, 4};
  Side cpu = cpu_side(kStep, shape.with_batch(1)), gpu = gpu_side(kStep, shape.with_batch(1));
  const auto on_cpu = cpu->prepare(images, true), on_gpu = gpu->prepare(images, true);
  cpu.take(order, {}, 4);
  gpu.take(order, {}, 4);
  cudaStream_t stream = as_cuda(gpu.device()).stream();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t step = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  gpu.gather(*on_gpu);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&step, graph, 0), cudaSuccess);
  for (const StepState& at : {StepState{}, StepState{.position = 6}, StepState{.epoch = 5},
                              StepState{.epoch = 6, .position = 3}}) {
    cpu.set_state(at);
    gpu.set_state(at);
    cpu.gather(*on_cpu);
    ASSERT_EQ(cudaGraphLaunch(step, stream), cudaSuccess);
    EXPECT_TRUE(cpu.result() == gpu.result()) << at.epoch << " " << at.position;
  }
  cudaGraphExecDestroy(step);
  cudaGraphDestroy(graph);
}

// More images than a chunk of the upload, a group of the scratch memory and a strip of the filter
// over samples have room for.
TEST(GpuPipeline, TakesLargeSetsInParts) {
  const Shape shape{2300, 50, 50, 3};
  const ImageSet images = random_images(shape);
  const char* json = R"([{"op": "smooth", "sigma": 0.3, "axes": ["sample"]}, {"op": "normalize"},
                         {"op": "random_flip"}])";
  Side cpu = cpu_side(json, shape.with_batch(1)), gpu = gpu_side(json, shape.with_batch(1));
  cpu->measure(images);
  gpu->measure(images);
  EXPECT_EQ(cpu->statistics(), gpu->statistics());
  std::vector<int32_t> order(2300);
  for (int32_t i = 0; i < 2300; ++i) order[i] = i * 7 % 2300;
  const auto on_cpu = cpu->prepare(images, true), on_gpu = gpu->prepare(images, true);
  cpu.take(order, {}, 2300);
  gpu.take(order, {}, 2300);
  cpu.gather(*on_cpu);
  gpu.gather(*on_gpu);
  EXPECT_TRUE(cpu.result() == gpu.result());
}

TEST(GpuPipeline, TakesNoLabelsAndNoImages) {
  ImageSet images = random_images({3, 4, 4, 3});
  images.labels.clear();
  Side gpu = gpu_side(R"([{"op": "noise", "sigma": 1}])", {1, 4, 4, 3});
  const auto set = gpu->prepare(images, false);
  gpu.take({2, 1}, {}, 2);
  gpu.gather(*set);
  EXPECT_EQ(gpu.result().samples, (std::vector<int32_t>{2, 1}));
  EXPECT_EQ(gpu.result().labels, (std::vector<int32_t>{-1, -1}));
  EXPECT_EQ(gpu->prepare(random_images({0, 4, 4, 3}), false)->count(), 0);
}

TEST(GpuPipeline, GivesAllMemoryBackWhateverFails) {
  const ImageSet images = random_images({3, 60, 60, 3});
  const char* json = R"([{"op": "smooth", "sigma": 1, "axes": ["sample", "width"]},
                         {"op": "grayscale"}, {"op": "normalize"}])";
  const size_t before = emulated::allocated();
  const auto prepare = [&](uint64_t failing) {
    emulated::fail_call(failing, cudaErrorMemoryAllocation);
    Side gpu = gpu_side(json, {1, 60, 60, 3});
    gpu->measure(images);
    gpu->prepare(images, true);
    return emulated::calls();
  };
  const uint64_t calls = prepare(0);
  EXPECT_EQ(emulated::allocated(), before);
  for (uint64_t i = 1; i <= calls; ++i) {
    try {
      prepare(i);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::out_of_memory);
    }
    EXPECT_EQ(emulated::allocated(), before) << i;
  }
  emulated::fail_call(0, cudaSuccess);
}

TEST(GpuPipelinePasses, DivideBytesAsTheCpuDoes) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(unit_from_byte(static_cast<uint8_t>(byte)), static_cast<float>(byte) / 255.0f);
  }
}

TEST(GpuPipelinePasses, MirrorAsReflectDoes) {
  for (int32_t length = 1; length < 7; ++length) {
    for (int32_t i = -40; i < 40; ++i) EXPECT_EQ(reflect_near(i, length), reflect(i, length));
  }
}

constexpr RandomKey kShuffle{7, random_stream("shuffle", "train")};

TEST(GpuShuffle, GivesTheCpusPermutation) {
  TestPipeline gpu("[]", Shape{1, 1, 1, 1});
  for (const int64_t count : {1, 2, 31, 1000, 40000, 257}) {
    for (const uint32_t seed : {0u, 1u, 4000000000u}) {
      for (const uint32_t epoch : {0u, 1u, 99u}) {
        const RandomKey random{seed, kShuffle.stream};
        const bool same = gpu.shuffle(count, random, epoch) == permutation(count, random, epoch);
        EXPECT_TRUE(same) << count << " " << seed << " " << epoch;
        note_error(same ? 0 : std::numeric_limits<double>::infinity());
      }
    }
  }
  EXPECT_TRUE(gpu.shuffle(0, kShuffle, 0).empty());
}

TEST(GpuShuffle, AllocatesOnceAndWaitsForNothing) {
  TestPipeline gpu("[]", Shape{1, 1, 1, 1});
  const Buffer order(gpu.device(), 1000 * sizeof(int32_t));
  auto* const rows = static_cast<int32_t*>(order.data());
  gpu->shuffle(1000, kShuffle, 0, rows);
  const size_t allocated = emulated::allocated();
  for (const int64_t count : {1000, 10, 1000}) {
    emulated::fail_call(0, cudaSuccess);
    gpu->shuffle(count, kShuffle, 1, rows);
    EXPECT_EQ(emulated::calls(), 2u);  // keys, and the sort
  }
  EXPECT_EQ(emulated::allocated(), allocated);
}

TEST(GpuShuffle, SaysWhatFailed) {
  TestPipeline gpu("[]", Shape{1, 1, 1, 1});
  const Buffer order(gpu.device(), 1000 * sizeof(int32_t));
  auto* const rows = static_cast<int32_t*>(order.data());
  // Four allocations, and before the last the question for its size; keys, and the sort.
  for (uint64_t call = 1; call <= 7; ++call) {
    emulated::fail_call(call, cudaErrorLaunchFailure);
    EXPECT_THROW(gpu->shuffle(1000 + static_cast<int64_t>(call), kShuffle, 0, rows), Error) << call;
  }
  emulated::fail_call(0, cudaSuccess);
  std::vector<int32_t> found(1000);
  gpu->shuffle(1000, kShuffle, 3, rows);
  gpu.device().copy_to_host(found.data(), rows, order.bytes());
  EXPECT_TRUE(found == permutation(1000, kShuffle, 3));
}

TEST(GpuShuffle, KeepsEqualKeysInOrder) {
  CudaDevice device(0);
  const std::vector<uint64_t> keys{5, 1, 5, uint64_t{1} << 63, 1, 0, 5};
  const std::vector<int32_t> values{0, 1, 2, 3, 4, 5, 6};
  const OnDevice<uint64_t> from(device, keys), to(device, std::vector<uint64_t>(7));
  const OnDevice<int32_t> numbers(device, values), order(device, std::vector<int32_t>(7));
  const Buffer scratch(device, sort_pairs_scratch(device, 7));
  sort_pairs(device, {from.data(), numbers.data(), to.data(), order.data(), 7}, scratch.data(),
             scratch.bytes());
  EXPECT_EQ(order.read(), (std::vector<int32_t>{5, 1, 4, 0, 2, 6, 3}));
  EXPECT_EQ(to.read(), (std::vector<uint64_t>{0, 1, 1, 5, 5, 5, uint64_t{1} << 63}));
}

TEST(GpuShuffle, IsNotedAndTimedLikeALaunch) {
  DescribedDevice described(device_profiles()[0]);
  const auto pipeline = make_cuda_pipeline({{}, Shape{1, 1, 1, 1}, 1, described});
  const Buffer order(described, 1000 * sizeof(int32_t));
  pipeline->shuffle(1000, kShuffle, 0, static_cast<int32_t*>(order.data()));
  const auto names = [](const LaunchList& list) {
    std::vector<std::string> all;
    for (const LaunchList::Launch& launch : list.launches) all.push_back(launch.kernel);
    return all;
  };
  const std::vector<std::string> expected{"fill_keys", "sort_pairs"};
  EXPECT_EQ(names(*described.list()), expected);
  TestPipeline gpu("[]", Shape{1, 1, 1, 1});
  const LaunchList timed =
      as_cuda(gpu.device()).time_launches([&] { gpu.shuffle(1000, kShuffle, 0); });
  EXPECT_EQ(names(timed), expected);
}

}  // namespace
}  // namespace engine::test
