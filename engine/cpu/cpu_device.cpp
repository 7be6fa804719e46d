#include "engine/cpu/cpu_device.h"

#include <omp.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "engine/core/error.h"

namespace engine {
namespace {

constexpr size_t kAlignment = 64;              // a cache line, an AVX-512 register
constexpr size_t kHugePage = size_t{2} << 20;  // arenas take huge pages: fewer misses in the TLB

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

[[noreturn]] void fail_out_of_memory(size_t bytes) {
  constexpr double kMegabyte = 1e6;
  fail(ExitCode::out_of_memory,
       "out of memory: {:.1f} MB were asked for, {:.1f} MB are available; a smaller batch_size "
       "needs less",
       static_cast<double>(bytes) / kMegabyte, static_cast<double>(available_memory()) / kMegabyte);
}

/// There is no queue to note: the work is called again.
class CpuRecording : public Recording {
 public:
  explicit CpuRecording(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

class CpuDevice : public Device {
 public:
  std::string_view kind() const override { return "cpu"; }
  std::string description() const override {
    const int count = threads();
    return fmt::format("{}, {} thread{}, {}", cpu_model(), count, count == 1 ? "" : "s",
                       instruction_sets());
  }

  void* allocate(size_t bytes) override {
    const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
    if (bytes > SIZE_MAX - alignment) fail_out_of_memory(bytes);
    if (bytes >= kCheckedBytes) {
      // Linux promises more than it has and kills the process later: better to say so now.
      const size_t available = available_memory();
      if (available && bytes > available) fail_out_of_memory(bytes);
    }
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, rounded ? rounded : alignment);
    if (!memory) fail_out_of_memory(bytes);
    if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // only advice: may fail
    return memory;
  }
  void release(void* memory) noexcept override { std::free(memory); }
  void copy_to_device(void* device, const void* host, size_t bytes) override {
    if (bytes) std::memcpy(device, host, bytes);
  }
  void copy_to_host(void* host, const void* device, size_t bytes) override {
    if (bytes) std::memcpy(host, device, bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override {
    if (bytes) std::memcpy(to, from, bytes);
  }
  void zero(void* device, size_t bytes) override {
    if (bytes) std::memset(device, 0, bytes);
  }
  void synchronize() override {}
  bool is_synchronous() const override { return true; }
  std::unique_ptr<Recording> record(std::function<void()> work) override {
    return std::make_unique<CpuRecording>(std::move(work));
  }

 private:
  static constexpr size_t kCheckedBytes = size_t{64} << 20;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() {
  return std::make_unique<CpuDevice>();
}

void set_threads(int threads) {
  omp_set_dynamic(0);
  omp_set_num_threads(threads > 0 ? threads : usable_cores());
}

int threads() {
  return omp_get_max_threads();
}

std::string instruction_sets() {
#if defined(__x86_64__)
  std::string text = "x86-64";
  if (__builtin_cpu_supports("x86-64-v4")) {
    text += "-v4";
  } else if (__builtin_cpu_supports("x86-64-v3")) {
    text += "-v3";
  } else if (__builtin_cpu_supports("x86-64-v2")) {
    text += "-v2";
  }
  if (__builtin_cpu_supports("avx2")) text += ", AVX2";
  if (__builtin_cpu_supports("fma")) text += ", FMA";
  if (__builtin_cpu_supports("avx512f")) text += ", AVX-512";
  if (__builtin_cpu_supports("avx512vnni")) text += ", VNNI";
  if (__builtin_cpu_supports("avx512bf16")) text += ", BF16";
  return text;
#elif defined(__aarch64__)
  return "AArch64";
#else
  return "unknown";
#endif
}

}  // namespace engine
