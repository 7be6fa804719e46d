// gather() runs for every training step, so it allocates nothing.

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/image/pipeline_support.h"

// GCC takes the operators below for mismatched once it has made them part of their callers.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace {
std::atomic<int64_t> allocations{0};
}

void* operator new(size_t bytes) {
  ++allocations;
  void* memory = std::malloc(bytes);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace engine::test {
namespace {

TEST(Pipeline, GatherAllocatesNothing) {
  const Shape shape{1, 12, 12, 3};
  const ImageSet images = random_images(shape.with_batch(64));
  for (const int threads : {1, 2}) {
    set_threads(threads);
    TestPipeline pipeline(
        R"([{"op": "grayscale"}, {"op": "random_crop"}, {"op": "random_flip"},
            {"op": "noise", "sigma": 0.1, "when": "every_epoch"},
            {"op": "smooth", "sigma": 1, "when": "every_epoch"}])",
        shape);
    const auto set = pipeline->prepare(images, true);
    std::vector<int32_t> order(32, 5), labels(32), samples(32);
    std::vector<float> batch(32 * pipeline->output().per_sample());
    const int64_t before = allocations;
    for (uint32_t epoch = 0; epoch < 3; ++epoch) {
      const StepState at{.epoch = epoch};
      pipeline->gather(*set, order.data(), &at,
                       packed_view(batch.data(), pipeline->output().with_batch(32)), labels.data(),
                       samples.data());
    }
    EXPECT_EQ(allocations, before);
    EXPECT_GT(before, 0);
  }
}

}  // namespace
}  // namespace engine::test
