#include "tests/emulation/emulator.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/emulation/block_threads.h"

namespace emulated {
namespace {

/// The emulated machine.
struct Machine {
  std::recursive_mutex mutex;
  uint64_t launched = 0;
  std::map<std::string, Launches> launches;
  uint64_t calls = 0, failing = 0;
  cudaError_t failure = cudaSuccess;
  cudaError_t lost = cudaSuccess;  ///< what every call says since the GPU was lost
  cudaError_t last = cudaSuccess;
  int driver = 13000;
  bool capturing = false;
  std::FILE* log = nullptr;
  std::map<void*, size_t> memory;
  size_t allocated = 0, capacity = size_t{2} << 30;
};

Machine& machine() {
  static Machine one;
  return one;
}

void run_now(const std::string& kernel, const void* function, dim3 grid, dim3 size,
             const std::function<void()>& thread) {
  Machine& m = machine();
  const std::lock_guard lock(m.mutex);
  Launches& launches = m.launches[kernel];
  ++launches.count;
  launches.functions.insert(function);
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

/// Counts a call, and says whether it is to fail.
cudaError_t enter(const std::string& call) {
  Machine& m = machine();
  const bool fails = ++m.calls == m.failing;
  if (fails && m.failure != cudaErrorMemoryAllocation) m.lost = m.failure;
  const cudaError_t error = fails ? m.failure : m.lost;
  if (m.log) std::fprintf(m.log, "%s%s\n", call.c_str(), fails ? " failed" : "");
  if (error != cudaSuccess) m.last = error;
  return error;
}

/// The same for a call that a stream that is being captured does not allow.
cudaError_t enter_uncaptured(const std::string& call) {
  if (const cudaError_t error = enter(call)) return error;
  return machine().capturing ? machine().last = cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

}  // namespace

void fail_call(uint64_t n, cudaError_t error) {
  machine().calls = 0;
  machine().failing = n;
  machine().failure = error;
  machine().lost = cudaSuccess;
}
void log_calls(const std::string& file) {
  machine().log = std::fopen(file.c_str(), "w");
  if (!machine().log) throw std::runtime_error("cannot write " + file);
}
uint64_t calls() {
  return machine().calls;
}
const std::map<std::string, Launches>& launches() {
  return machine().launches;
}
size_t allocated() {
  return machine().allocated;
}
void set_driver(int version) {
  machine().driver = version;
}
bool sanitized() {
#ifdef __SANITIZE_ADDRESS__
  return true;
#else
  return false;
#endif
}
void set_memory(size_t bytes) {
  machine().capacity = bytes;
}

}  // namespace emulated

using emulated::enter;
using emulated::enter_uncaptured;
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
cudaError_t now_or_later(const std::string& call, cudaStream_t stream, Work work) {
  if (const cudaError_t error = enter(call)) return error;
  if (stream && stream->capturing) {
    stream->recorded.push_back(std::move(work));
  } else {
    work();
  }
  return cudaSuccess;
}

}  // namespace

namespace emulated {
cudaError_t run(cudaStream_t stream, const std::string& name, const void* function, dim3 grid,
                dim3 block, std::function<void()> thread) {
  return now_or_later(name, stream, [=] { run_now(name, function, grid, block, thread); });
}

void expect_device_memory(const std::string& kernel, const void* argument) {
  const std::lock_guard lock(machine().mutex);
  const auto address = reinterpret_cast<uintptr_t>(argument);
  if (address != 0 && !is_device_address(address) && is_mapped(address)) {
    throw std::runtime_error(kernel + ": an argument points to memory of the host");
  }
}

cudaError_t library_call(cudaStream_t stream, const std::string& name, std::function<void()> work) {
  return now_or_later(name, stream, [=] {
    const std::lock_guard lock(machine().mutex);
    ++machine().launches[name].count;
    work();
  });
}

cudaError_t library_setup(const std::string& name) {
  return enter(name);
}
}  // namespace emulated

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  if (const cudaError_t error = enter("cudaGetDeviceCount")) return error;
  return machine().driver < 13000 ? machine().last = cudaErrorInsufficientDriver : cudaSuccess;
}
cudaError_t cudaSetDevice(int) {
  return enter("cudaSetDevice");
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {.name = "emulated GPU",
                 .uuid = {"emulated GPU ID"},
                 .totalGlobalMem = machine().capacity,
                 .sharedMemPerBlockOptin = 227 << 10,
                 .major = 9,
                 .minor = 0,
                 .multiProcessorCount = 2,
                 .l2CacheSize = 1 << 16};
  return enter("cudaGetDeviceProperties");
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine().driver;
  return enter("cudaDriverGetVersion");
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return enter("cudaRuntimeGetVersion");
}
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (const cudaError_t error = enter_uncaptured("cudaMalloc")) return error;
  auto& m = machine();
  if (bytes > m.capacity - m.allocated) return m.last = cudaErrorMemoryAllocation;
  // Not aligned_alloc, which wants whole multiples: a sanitizer guards the byte behind the last.
  if (posix_memalign(memory, 256, bytes) != 0) return m.last = cudaErrorMemoryAllocation;
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
  return enter_uncaptured("cudaFree");
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = machine().capacity;
  *free = machine().capacity - machine().allocated;
  return enter("cudaMemGetInfo");
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return now_or_later("cudaMemcpyAsync", stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return now_or_later("cudaMemsetAsync", stream, [=] { std::memset(memory, value, bytes); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (const cudaError_t error = enter("cudaStreamCreateWithFlags")) return error;
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return enter("cudaStreamDestroy");
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return enter_uncaptured("cudaStreamSynchronize");
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (const cudaError_t error = enter("cudaEventCreate")) return error;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return enter("cudaEventDestroy");
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->at = std::chrono::steady_clock::now();
  return enter("cudaEventRecord");
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return enter("cudaEventElapsedTime");
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t error = enter("cudaStreamBeginCapture")) return error;
  stream->capturing = machine().capturing = true;
  stream->recorded.clear();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  stream->capturing = machine().capturing = false;
  if (const cudaError_t error = enter("cudaStreamEndCapture")) return error;
  *graph = new CUgraph_st{std::move(stream->recorded)};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  if (const cudaError_t error = enter("cudaGraphInstantiate")) return error;
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return enter("cudaGraphDestroy");
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return enter("cudaGraphExecDestroy");
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  if (const cudaError_t error = enter("cudaGraphLaunch")) return error;
  for (const auto& work : executable->work) work();
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return std::exchange(machine().last, machine().lost);
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
  }
  return "unknown";
}
const char* cudaGetErrorString(cudaError_t error) {
  return cudaGetErrorName(error);
}
