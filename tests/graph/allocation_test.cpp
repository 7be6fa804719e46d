// A training step allocates nothing: not by operator new, not by malloc, from whatever library. The
// one exception are convolutions that no kernel of the engine takes (groups, dilation): oneDNN
// itself allocates in a call, how much depends on the instruction set. There nobody else may.

#include <gtest/gtest.h>

#include <execinfo.h>
#include <link.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "engine/cpu/cpu_device.h"
#include "tests/graph/float_set.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1

namespace {
std::atomic<int64_t> allocations{0}, outside_of_onednn{0};
std::atomic<bool> looks_at_callers{false};
uintptr_t onednn_begin = 0, onednn_end = 0;

int find_onednn(dl_phdr_info* module, size_t, void*) {
  if (!std::strstr(module->dlpi_name, "libdnnl")) return 0;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const auto& segment = module->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const uintptr_t begin = module->dlpi_addr + segment.p_vaddr;
    if (!onednn_begin || begin < onednn_begin) onednn_begin = begin;
    onednn_end = std::max<uintptr_t>(onednn_end, begin + segment.p_memsz);
  }
  return 1;
}

bool called_by_onednn() {
  void* frames[64];
  const int count = backtrace(frames, 64);
  return std::any_of(frames, frames + count, [](void* frame) {
    const auto address = reinterpret_cast<uintptr_t>(frame);
    return address >= onednn_begin && address < onednn_end;
  });
}

void count() {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (looks_at_callers && !called_by_onednn()) ++outside_of_onednn;
}
}  // namespace

// The program's definitions come before the C library's for every shared library too (operator new
// calls malloc). They hand over to glibc's own names for the same functions.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the names are glibc's
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(size_t bytes) {
  count();
  return __libc_malloc(bytes);
}
void* calloc(size_t elements, size_t bytes) {
  count();
  return __libc_calloc(elements, bytes);
}
void* realloc(void* memory, size_t bytes) {
  count();
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  count();
  *memory = __libc_memalign(alignment, bytes);
  return *memory ? 0 : 12;  // ENOMEM
}
}
#endif

namespace engine::test {
namespace {

class Allocations : public testing::TestWithParam<const char*> {};

TEST_P(Allocations, AStepMakesNone) {
#ifndef COUNTS_ALLOCATIONS
  GTEST_SKIP() << "allocations can be counted with glibc and without sanitizers only";
#else
  const bool with_onednn = std::string_view(GetParam()) == "everything";
  dl_iterate_phdr(find_onednn, nullptr);
  EXPECT_GT(onednn_end, onednn_begin);
  EXPECT_FALSE(called_by_onednn());  // the first backtrace allocates
  SmallNetwork network = SmallNetwork::from_text(example(GetParam()));
  const int before_threads = threads();
  for (const int thread_count : {1, 2}) {
    set_threads(thread_count);
    const auto pipeline = network.registry.cpu_pipeline(
        {.stages = {}, .image = network.image, .seed = 1, .device = *network.device});
    ImageSet images{.shape = network.image.with_batch(22)};
    images.pixels.resize(static_cast<size_t>(images.shape.elements()));
    for (size_t i = 0; i < images.pixels.size(); ++i) images.pixels[i] = i * 37 % 251;
    for (int i = 0; i < 22; ++i) {
      images.labels.push_back(i % 5);
      images.samples.push_back(i);
    }
    const auto set = pipeline->prepare(images, true);
    const auto executor = executor_with(network, *pipeline);
    std::vector<int32_t> order(22);
    std::iota(order.begin(), order.end(), 0);
    const std::function<double(uint64_t)> rate = [](uint64_t) { return 1e-3; };
    executor->begin_epoch(*set, order, 0);
    executor->train(2, rate);  // threads start here
    const int64_t before = allocations;
    outside_of_onednn = 0;
    looks_at_callers = true;
    EXPECT_EQ(executor->train(4, rate), 4);  // three whole batches and the incomplete one
    looks_at_callers = false;
    EXPECT_EQ(outside_of_onednn, 0);
    if (!with_onednn) {
      EXPECT_EQ(allocations - before, 0);
    }
    executor->evaluate(*set);
    const int64_t before_evaluation = allocations;
    EXPECT_EQ(executor->evaluate(*set).samples, 22u);
    if (!with_onednn) {
      EXPECT_EQ(allocations - before_evaluation, 0);
    }
    EXPECT_GT(before, 0) << "the counter counts";
    looks_at_callers = true;
    std::free(std::malloc(1));
    looks_at_callers = false;
    EXPECT_EQ(outside_of_onednn, 1) << "and knows its callers";
  }
  set_threads(before_threads);
#endif
}

INSTANTIATE_TEST_SUITE_P(Networks, Allocations,
                         testing::Values("everything", "own_kernels", "inception"));

}  // namespace
}  // namespace engine::test
