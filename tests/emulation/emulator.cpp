#include "tests/emulation/emulator.h"

#include <sys/mman.h>

#include <chrono>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "tests/emulation/block_threads.h"

namespace emulated {
namespace {

/// The emulated machine.
struct Machine {
  std::recursive_mutex mutex;
  uint64_t launched = 0;
  std::map<std::string, uint64_t> launches;
  uint64_t calls = 0, failing = 0;
  cudaError_t failure = cudaSuccess;
  cudaError_t last = cudaSuccess;
  std::map<void*, size_t> memory;
  size_t allocated = 0, capacity = size_t{2} << 30;
};

Machine& machine() {
  static Machine one;
  return one;
}

void run_now(const std::string& kernel, dim3 grid, dim3 size, const std::function<void()>& thread) {
  Machine& m = machine();
  const std::lock_guard lock(m.mutex);
  ++m.launches[kernel];
  const std::string problem = run_blocks(grid, size, thread, m.launched++);
  if (!problem.empty()) throw std::runtime_error(kernel + ": " + problem);
}

/// Inside of memory that cudaMalloc has given, or just behind it.
bool is_device_address(uintptr_t address) {
  const auto& memory = machine().memory;
  auto next = memory.upper_bound(reinterpret_cast<void*>(address));
  if (next == memory.begin()) return false;
  --next;
  return address <= reinterpret_cast<uintptr_t>(next->first) + next->second;
}

/// Whether this process has memory there.
bool is_mapped(uintptr_t address) {
  constexpr uintptr_t kPage = 4096;
  unsigned char resident = 0;
  return mincore(reinterpret_cast<void*>(address / kPage * kPage), 1, &resident) == 0;
}

/// Counts a call, and says whether it is the one that is to fail.
cudaError_t enter() {
  Machine& m = machine();
  ++m.calls;
  if (m.failing == 0 || m.calls != m.failing) return cudaSuccess;
  return m.last = m.failure;
}

}  // namespace

void fail_call(uint64_t n, cudaError_t error) {
  machine().calls = 0;
  machine().failing = n;
  machine().failure = error;
}
uint64_t calls() {
  return machine().calls;
}
std::vector<std::pair<std::string, uint64_t>> launches() {
  return {machine().launches.begin(), machine().launches.end()};
}
size_t allocated() {
  return machine().allocated;
}
void set_memory(size_t bytes) {
  machine().capacity = bytes;
}

}  // namespace emulated

using emulated::enter;
using emulated::machine;

/// What a stream does while it is captured; otherwise it only has an address.
struct CUstream_st {
  bool capturing = false;
  std::vector<std::function<void()>> recorded;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point at;
};
struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};

namespace {

template <class Work>
cudaError_t now_or_later(cudaStream_t stream, Work work) {
  if (const cudaError_t error = enter()) return error;
  if (stream && stream->capturing) {
    stream->recorded.push_back(std::move(work));
  } else {
    work();
  }
  return cudaSuccess;
}

}  // namespace

namespace emulated {
cudaError_t run(cudaStream_t stream, const std::string& kernel, dim3 grid, dim3 block,
                std::function<void()> thread) {
  return now_or_later(stream, [=] { run_now(kernel, grid, block, thread); });
}

void expect_device_memory(const std::string& kernel, const void* argument, size_t bytes) {
  const std::lock_guard lock(machine().mutex);
  for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const char*>(argument) + at, sizeof(word));
    if (word >> 32 && !is_device_address(word) && is_mapped(word)) {
      throw std::runtime_error(kernel + ": an argument points to memory of the host");
    }
  }
}

cudaError_t library_call(cudaStream_t stream, const std::string& name, std::function<void()> work) {
  return now_or_later(stream, [=] {
    const std::lock_guard lock(machine().mutex);
    ++machine().launches[name];
    work();
  });
}
}  // namespace emulated

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return enter();
}
cudaError_t cudaSetDevice(int) {
  return enter();
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {.name = "emulated GPU",
                 .totalGlobalMem = machine().capacity,
                 .sharedMemPerBlockOptin = 227 << 10,
                 .major = 9,
                 .minor = 0,
                 .multiProcessorCount = 2,
                 .l2CacheSize = 1 << 16};
  return enter();
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return enter();
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return enter();
}
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (const cudaError_t error = enter()) return error;
  auto& m = machine();
  if (bytes > m.capacity - m.allocated) return m.last = cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*memory, 0xff, bytes);
  m.memory[*memory] = bytes;
  m.allocated += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  auto& m = machine();
  const auto found = m.memory.find(memory);
  if (found == m.memory.end()) return m.last = cudaErrorInvalidValue;
  m.allocated -= found->second;
  m.memory.erase(found);
  std::free(memory);
  return enter();
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = machine().capacity;
  *free = machine().capacity - machine().allocated;
  return enter();
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return now_or_later(stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return now_or_later(stream, [=] { std::memset(memory, value, bytes); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (const cudaError_t error = enter()) return error;
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return enter();
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return enter();
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (const cudaError_t error = enter()) return error;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return enter();
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->at = std::chrono::steady_clock::now();
  return enter();
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return enter();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->capturing = true;
  stream->recorded.clear();
  return enter();
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  stream->capturing = false;
  if (const cudaError_t error = enter()) return error;
  *graph = new CUgraph_st{std::move(stream->recorded)};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  if (const cudaError_t error = enter()) return error;
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return enter();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return enter();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  if (const cudaError_t error = enter()) return error;
  for (const auto& work : executable->work) work();
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return std::exchange(machine().last, cudaSuccess);
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
  }
  return "unknown";
}
const char* cudaGetErrorString(cudaError_t error) {
  return cudaGetErrorName(error);
}
