// A GPU that is only described: memory that nobody touches, work that is noted and not done.

#include "engine/cuda/described_device.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/core/error.h"
#include "engine/cuda/convolution.h"
#include "kernels/register.h"
#include "kernels/register_cuda.h"
#include "tests/emulation/emulator.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

const DeviceProfile& h100() {
  return device_profiles()[0];
}

TEST(DescribedDevice, IsWhatItsProfileSays) {
  const DescribedDevice device(h100());
  EXPECT_EQ(device.kind(), "cuda");
  EXPECT_EQ(device.description(),
            "NVIDIA H100 80GB HBM3, compute capability 9.0, 132 multiprocessors, 85.0 GB (only "
            "described)");
  EXPECT_EQ(device.compute_capability(), 90);
  EXPECT_EQ(DescribedDevice(device_profiles()[1]).name(), "NVIDIA H200");
}

TEST(DescribedDevice, CountsMemoryThatNobodyTouches) {
  DescribedDevice device(h100());
  Buffer one(device, 1), large(device, size_t{60} << 30);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(one.data()) % 256, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large.data()) % 256, 0u);
  EXPECT_NE(one.data(), large.data());
  EXPECT_EQ(device.list()->memory, (size_t{60} << 30) + 256);
  large = Buffer();
  EXPECT_EQ(device.list()->memory, 256u);
  EXPECT_EQ(device.list()->peak_memory, (size_t{60} << 30) + 256);
  EXPECT_DEATH(*static_cast<char*>(device.allocate(1)) = 1, "");
}

TEST(DescribedDevice, HasNoMoreMemoryThanTheGpu) {
  DescribedDevice device(h100());
  const Buffer most(device, 85'000'000'000);
  try {
    device.allocate(100'000'000);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::out_of_memory);
    EXPECT_STREQ(error.what(),
                 "out of GPU memory: 100.0 MB were asked for, 17.5 of 85017.5 MB are free; a "
                 "smaller batch_size needs less");
  }
  EXPECT_NO_THROW(device.release(device.allocate(10'000'000)));
}

TEST(DescribedDevice, CopiesFromItAreZeros) {
  DescribedDevice device(h100());
  const Buffer buffer(device, 8);
  const int given[2] = {1, 2};
  int got[2] = {3, 4};
  device.copy_to_device(buffer.data(), given, 8);
  device.copy_to_host(got, buffer.data(), 8);
  EXPECT_EQ(got[0], 0);
  EXPECT_EQ(got[1], 0);
  EXPECT_TRUE(device.list()->launches.empty());
}

TEST(DescribedDevice, NotesWorkInItsRanges) {
  DescribedDevice device(h100());
  const Buffer buffer(device, 1000);
  const auto step = device.record([&] {
    const DeviceRange phase(device, "forward"), node(device, "a.conv"), more(device, "inside");
    device.copy(buffer.data(), buffer.data(), 100);
  });
  device.zero(buffer.data(), 1000);
  step->replay();
  const auto& launches = device.list()->launches;
  ASSERT_EQ(launches.size(), 2u);
  EXPECT_EQ(launches[0].phase, "forward");
  EXPECT_EQ(launches[0].node, "a.conv");
  EXPECT_EQ(launches[0].kernel, "copy");
  EXPECT_EQ(launches[0].bytes, 200);
  EXPECT_EQ(launches[1].phase, "");
  EXPECT_EQ(launches[1].bytes, 1000);
}

/// Launches of the emulated GPU so far, by name.
std::map<std::string, uint64_t> launched() {
  std::map<std::string, uint64_t> counts;
  for (const auto& [name, launches] : emulated::launches()) counts[name] = launches.count;
  return counts;
}

/// Begins an epoch of two batches and trains the first of them.
template <class Between>
void train_one_step(SmallNetwork& network, const Between& between) {
  const auto pipeline = network.registry.cuda_pipeline(
      {.stages = {}, .image = network.image, .seed = 1, .device = *network.device});
  ImageSet images{.shape = network.image.with_batch(1)};
  images.pixels.resize(static_cast<size_t>(images.shape.elements()), 9);
  images.labels = images.samples = {0};
  const auto set = pipeline->prepare(images, true);
  ExecutorSetup setup = network.setup();
  setup.pipeline = pipeline.get();
  Executor executor(setup);
  executor.initialize();
  const std::vector<int32_t> order(static_cast<size_t>(network.batch), 0);
  between();
  executor.begin_epoch(*set, order, 0);
  executor.train(1, [](uint64_t) { return 1e-3; });
}

Registry cuda_registry() {
  Registry registry = register_ops();
  register_cuda_kernels(registry);
  return registry;
}

TEST(DescribedDevice, AStepLaunchesWhatItLaunchesOnAGpu) {
  const Value text = parse_json_or_throw(
      R"({"image": [12, 12, 3], "classes": 4, "batch": 3,
          "optimizer": {"type": "adam", "learning_rate": 0.001},
          "network": {"nodes": [
            {"name": "stem", "op": "conv2d", "filters": 8, "kernel": 3, "activation": "relu"},
            {"name": "bn", "op": "batch_normalization"},
            {"name": "pool", "op": "max_pool", "kernel": 3, "stride": 2},
            {"name": "left", "op": "conv2d", "input": "pool", "filters": 4, "kernel": 1},
            {"name": "right", "op": "conv2d", "input": "pool", "filters": 4, "kernel": 5},
            {"op": "concat", "inputs": ["left", "right"]},
            {"name": "dropout", "op": "dropout", "rate": 0.5},
            {"name": "gap", "op": "global_average_pool"},
            {"name": "classifier", "op": "dense", "units": "classes"}]}})",
      "test.json", ExitCode::experiment);
  std::map<std::string, uint64_t> before, ran, noted;
  // For the other device, too, there are no plans of cuBLASLt.
  SmallNetwork gpu(text, cuda_registry(),
                   std::make_unique<CudaDevice>(0, nullptr, ProductLibrary::cudnn));
  train_one_step(gpu, [&] { before = launched(); });
  for (const auto& [name, count] : launched()) {
    if (count > before[name]) ran[name] = count - before[name];
  }
  auto owned = std::make_unique<DescribedDevice>(h100());
  LaunchList& list = *owned->list();
  SmallNetwork described(text, cuda_registry(), std::move(owned));
  train_one_step(described, [&] { list.launches.clear(); });
  for (const LaunchList::Launch& launch : list.launches) {
    if (launch.kernel != "copy") ++noted[launch.kernel];  // the emulation does not count those
  }
  EXPECT_GT(ran.size(), 10u);
  EXPECT_EQ(noted, ran);
  EXPECT_EQ(list.launches.front().phase, "gather");
  EXPECT_EQ(list.launches.back().phase, "update");
  EXPECT_EQ(list.plans.size(), 8u);  // three passes of each convolution, but no dx of the stem
}

TEST(RepackedTensors, AreFoundByTheWorkspacesSize) {
  ConvolutionShape shape{.input = {32, 8, 8, 64}, .output = {32, 8, 8, 128}};
  shape.window = {.kernel_h = 3, .kernel_w = 3, .out_h = 8, .out_w = 8};
  const size_t x = 32 * 64 * 64 * 4, y = 2 * x, w = 9 * 64 * 128 * 4;
  EXPECT_EQ(repacked_tensors(shape, 0), "");
  EXPECT_EQ(repacked_tensors(shape, 1000), "");
  EXPECT_EQ(repacked_tensors(shape, x + 16), "x");
  EXPECT_EQ(repacked_tensors(shape, y), "y");
  EXPECT_EQ(repacked_tensors(shape, w + y), "w and y");
  EXPECT_EQ(repacked_tensors(shape, x + w + y + 16), "x, w, y");
  EXPECT_EQ(repacked_tensors(shape, x + 5000), "");
  shape.output.c = 64;
  EXPECT_EQ(repacked_tensors(shape, x + w / 2), "x and w");  // y is as large
  shape.output.c = 128;
  // One channel, which an engine of tensor cores widens to eight bf16 numbers.
  shape.input.c = 1;
  shape.precision = Precision::bf16;
  EXPECT_EQ(repacked_tensors(shape, 32 * 64 * 8 * 2 + 9 * 8 * 128 * 2), "x and w");
}

}  // namespace
}  // namespace engine::test
