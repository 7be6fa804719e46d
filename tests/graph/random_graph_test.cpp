// Random networks on a device whose memory is poisoned and guarded: whatever the passes and the
// planner share, every value must be the one that a plan without any sharing gives.

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "engine/cpu/cpu_device.h"
#include "engine/graph/passes.h"
#include "engine/graph/program.h"
#include "tests/graph/random_network.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

constexpr size_t kGuard = 4096;
constexpr unsigned char kGuardByte = 0xA5;

/// The CPU with a guard zone around each allocation; new memory is full of NaN.
class GuardedDevice : public Device {
 public:
  std::string_view kind() const override { return "cpu"; }
  std::string description() const override { return "guarded"; }
  void* allocate(size_t bytes) override {
    auto* memory = static_cast<unsigned char*>(cpu_->allocate(bytes + 2 * kGuard));
    std::memset(memory, kGuardByte, kGuard);
    std::memset(memory + kGuard, 0xFF, bytes);
    std::memset(memory + kGuard + bytes, kGuardByte, kGuard);
    sizes_[memory + kGuard] = bytes;
    return memory + kGuard;
  }
  void release(void* memory) noexcept override {
    check(memory, sizes_.at(memory));
    sizes_.erase(memory);
    cpu_->release(static_cast<unsigned char*>(memory) - kGuard);
  }
  void copy_to_device(void* to, const void* from, size_t bytes) override {
    cpu_->copy_to_device(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    cpu_->copy_to_host(to, from, bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override { cpu_->copy(to, from, bytes); }
  void zero(void* memory, size_t bytes) override { cpu_->zero(memory, bytes); }
  void synchronize() override {}
  bool is_synchronous() const override { return true; }
  std::unique_ptr<Recording> record(std::function<void()> work) override {
    return cpu_->record(std::move(work));
  }

  void check_all() {
    for (const auto& [memory, bytes] : sizes_) check(memory, bytes);
  }
  /// From here on poison() looks at what is allocated later.
  void mark() { marked_ = sizes_; }
  /// Fills what was allocated with just this size since mark() with NaN; false when there is none.
  bool poison(size_t size) {
    for (const auto& [memory, bytes] : sizes_) {
      if (bytes != size || marked_.contains(memory)) continue;
      std::memset(memory, 0xFF, bytes);
      return true;
    }
    return false;
  }

 private:
  static void check(void* memory, size_t bytes) {
    const auto* begin = static_cast<unsigned char*>(memory);
    for (size_t i = 0; i < kGuard; ++i) {
      ASSERT_EQ(begin[-1 - static_cast<ptrdiff_t>(i)], kGuardByte) << "before";
      ASSERT_EQ(begin[bytes + i], kGuardByte) << "behind";
    }
  }
  std::unique_ptr<Device> cpu_ = make_cpu_device();
  std::map<void*, size_t> sizes_, marked_;
};

struct Result {
  double loss;
  std::vector<NamedTensor> gradients;
  std::vector<float> logits;
};

Result run(const SmallNetwork& network, std::vector<std::string> without) {
  GuardedDevice device;
  Result result;
  {
    const ExecutorSetup base = network.setup();
    ExecutorSetup setup{.network = base.network,
                        .image = base.image,
                        .context = base.context,
                        .registry = base.registry,
                        .device = device,
                        .optimizer = base.optimizer,
                        .batch = base.batch,
                        .evaluation_batch = base.batch,
                        .label_smoothing = base.label_smoothing,
                        .without_passes = std::move(without)};
    Executor executor(setup);
    executor.initialize();
    const RandomBatch batch(network, 1);
    const size_t planned = executor.memory().activations;
    device.mark();  // the parameters are there; the arena comes with the first call
    result.loss = executor.gradients(batch.images, batch.labels, true, result.gradients);
    result.logits = executor.logits(batch.images, network.batch);
    // The arena is as large as planned, and what lies there between calls means nothing.
    EXPECT_TRUE(device.poison(planned)) << "no arena of " << planned;
    std::vector<NamedTensor> again;
    EXPECT_EQ(executor.gradients(batch.images, batch.labels, true, again), result.loss);
    EXPECT_TRUE(same_bits(again, result.gradients));
    device.check_all();
  }
  return result;
}

class RandomGraphs : public testing::TestWithParam<int> {};

TEST_P(RandomGraphs, SharingChangesNoValue) {
  const uint32_t count = std::getenv("ENGINE_LONG_TESTS") ? 500 : 12;
  for (uint32_t seed = 1; seed <= count; ++seed) {
    const std::string json = RandomNetwork(1000 * static_cast<uint32_t>(GetParam()) + seed).json();
    SCOPED_TRACE(json);
    const SmallNetwork network = SmallNetwork::from_text(json);
    // One node after the other in memory of its own; activations stay as they are in all runs, for
    // a merged one may round differently.
    const Result plain =
        run(network, {"merge_activation", "concat_placement", "in_place", "memory_reuse"});
    const std::vector<std::vector<std::string>> variants{{"merge_activation"},
                                                         {"merge_activation", "concat_placement"},
                                                         {"merge_activation", "in_place"},
                                                         {}};
    for (const auto& without : variants) {
      const Result shared = run(network, without);
      const double tolerance = without.empty() ? 1e-4 : 2e-6;
      EXPECT_NEAR(shared.loss, plain.loss, tolerance);
      EXPECT_LT(relative_error(shared.logits, plain.logits), tolerance);
      for (size_t i = 0; i < plain.gradients.size(); ++i) {
        const auto ours = values(shared.gradients[i]), theirs = values(plain.gradients[i]);
        EXPECT_LT(relative_error(ours, theirs), tolerance) << plain.gradients[i].name;
      }
    }
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraphs, testing::Range(0, 4));

}  // namespace
}  // namespace engine::test
