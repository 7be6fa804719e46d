#include "tests/emulation/emulator.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/emulation/block_threads.h"
#include "tests/emulation/gpus.h"
#include "tests/emulation/work_graph.h"

namespace emulated {
namespace {

/// The emulated machine.
struct Machine {
  std::recursive_mutex mutex;
  uint64_t launched = 0, replayed = 0;
  std::map<std::string, Launches> launches;
  uint64_t calls = 0, failing = 0;
  cudaError_t failure = cudaSuccess;
  cudaError_t lost = cudaSuccess;  ///< what every call says since the GPU was lost
  cudaError_t last = cudaSuccess;
  int driver = 13000;
  int major = 9, minor = 0;
  bool capturing = false;
  std::FILE* log = nullptr;
  std::map<void*, size_t> memory, host_memory;  ///< of cudaMalloc, of cudaMallocHost
  std::deque<std::function<void()>> copies;     ///< from and to host_memory, that nobody waited for
  uint64_t copied = 0;                          ///< copies that are no longer among those
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

/// Inside of memory that cudaMalloc or cudaMallocHost has given, or just behind it.
bool is_inside(const std::map<void*, size_t>& memory, uintptr_t address) {
  auto next = memory.upper_bound(reinterpret_cast<void*>(address));
  if (next == memory.begin()) return false;
  --next;
  return address <= reinterpret_cast<uintptr_t>(next->first) + next->second;
}

bool is_page_locked(const void* memory) {
  return is_inside(machine().host_memory, reinterpret_cast<uintptr_t>(memory));
}

/// Does the copies that are under way: the first so many of all, or all.
void finish_copies(uint64_t until = UINT64_MAX) {
  Machine& m = machine();
  while (!m.copies.empty() && m.copied < until) {
    if (m.lost == cudaSuccess) m.copies.front()();
    m.copies.pop_front();
    ++m.copied;
  }
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
size_t page_locked() {
  size_t bytes = 0;
  for (const auto& [address, size] : machine().host_memory) bytes += size;
  return bytes;
}
void set_driver(int version) {
  machine().driver = version;
}
void set_capability(int major, int minor) {
  machine().major = major;
  machine().minor = minor;
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
using emulated::finish_copies;
using emulated::machine;

/// What a stream or an event adds to while it is captured, and behind which work of it it stands.
struct Captured {
  std::shared_ptr<emulated::Capture> capture;
  std::set<size_t> behind;
};
struct CUstream_st : Captured {};
struct CUevent_st : Captured {
  std::chrono::steady_clock::time_point at;
  uint64_t copies = 0;  ///< that come before it
};
struct CUgraph_st {
  emulated::WorkGraph work;
};
struct CUgraphExec_st {
  emulated::WorkGraph work;
};

namespace {

template <class Work>
cudaError_t now_or_later(const std::string& call, cudaStream_t stream, Work work) {
  if (const cudaError_t error = enter(call)) return error;
  if (stream && stream->capture) {
    stream->behind = {stream->capture->graph.add(std::move(work), stream->behind)};
  } else {
    finish_copies();
    work();
  }
  return cudaSuccess;
}

cudaError_t refuse(cudaError_t error) {
  return machine().last = error;
}

}  // namespace

namespace emulated {
cudaError_t run(cudaStream_t stream, const std::string& name, const void* function, dim3 grid,
                dim3 block, const std::function<void()>& thread) {
  return now_or_later(name, stream, [=] { run_now(name, function, grid, block, thread); });
}

void expect_device_memory(const std::string& kernel, const void* argument) {
  const std::lock_guard lock(machine().mutex);
  const auto address = reinterpret_cast<uintptr_t>(argument);
  if (address != 0 && !is_inside(machine().memory, address) && is_mapped(address)) {
    throw std::runtime_error(kernel + ": an argument points to memory of the host");
  }
}

cudaError_t library_call(cudaStream_t stream, const std::string& name,
                         const std::function<void()>& work) {
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
  *count = static_cast<int>(emulated::visible_gpus().size());
  if (const cudaError_t error = enter("cudaGetDeviceCount")) return error;
  return machine().driver < 13000 ? machine().last = cudaErrorInsufficientDriver : cudaSuccess;
}
cudaError_t cudaSetDevice(int ordinal) {
  emulated::use_alone(emulated::visible_gpus().at(static_cast<size_t>(ordinal)));
  return enter("cudaSetDevice");
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  *properties = {.name = "emulated GPU",
                 .uuid = {"emulated GPU ID"},
                 .totalGlobalMem = machine().capacity,
                 .sharedMemPerBlockOptin = 227 << 10,
                 .major = machine().major,
                 .minor = machine().minor,
                 .multiProcessorCount = 2,
                 .l2CacheSize = 1 << 16};
  properties->uuid.bytes[15] =
      static_cast<char>(emulated::visible_gpus().at(static_cast<size_t>(ordinal)));
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
  finish_copies();
  const auto found = m.memory.find(memory);
  if (found == m.memory.end()) return m.last = cudaErrorInvalidValue;
  m.allocated -= found->second;
  m.memory.erase(found);
  std::free(memory);
  return enter_uncaptured("cudaFree");
}
cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  if (const cudaError_t error = enter_uncaptured("cudaMallocHost")) return error;
  *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  std::memset(*memory, 0xff, bytes);
  machine().host_memory[*memory] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  finish_copies();
  if (!machine().host_memory.erase(memory)) return machine().last = cudaErrorInvalidValue;
  std::free(memory);
  return enter_uncaptured("cudaFreeHost");
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = machine().capacity;
  *free = machine().capacity - machine().allocated;
  return enter("cudaMemGetInfo");
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  const auto copy = [=] { std::memcpy(to, from, bytes); };
  const bool late = emulated::is_page_locked(to) || emulated::is_page_locked(from);
  if (!late || stream->capture) return now_or_later("cudaMemcpyAsync", stream, copy);
  if (const cudaError_t error = enter("cudaMemcpyAsync")) return error;
  machine().copies.push_back(copy);
  return cudaSuccess;
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
  finish_copies();
  delete stream;
  return enter("cudaStreamDestroy");
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  if (const cudaError_t error = enter_uncaptured("cudaStreamSynchronize")) return error;
  finish_copies();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const cudaError_t error = enter("cudaStreamWaitEvent")) return error;
  if (!event->capture) {
    return stream->capture ? refuse(cudaErrorStreamCaptureIsolation) : cudaSuccess;
  }
  if (!event->capture->running) return refuse(cudaErrorCapturedEvent);
  if (!stream->capture) {
    stream->capture = event->capture;
    stream->behind.clear();
    stream->capture->streams.insert(stream);
  }
  stream->behind.insert(event->behind.begin(), event->behind.end());
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (const cudaError_t error = enter("cudaEventCreate")) return error;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (const cudaError_t error = enter("cudaEventCreateWithFlags")) return error;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return enter("cudaEventDestroy");
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = enter("cudaEventRecord")) return error;
  event->at = std::chrono::steady_clock::now();
  event->copies = machine().copied + machine().copies.size();
  static_cast<Captured&>(*event) = *stream;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = enter_uncaptured("cudaEventSynchronize")) return error;
  finish_copies(event->copies);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return enter("cudaEventElapsedTime");
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t error = enter("cudaStreamBeginCapture")) return error;
  machine().capturing = true;
  stream->capture = std::make_shared<emulated::Capture>();
  stream->capture->origin = stream;
  stream->behind.clear();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const auto capture = stream->capture;
  if (!capture || capture->origin != stream) return refuse(cudaErrorStreamCaptureUnmatched);
  const std::set<size_t> joined = capture->graph.up_to(stream->behind);
  bool all_joined = true;
  capture->streams.insert(stream);
  for (const cudaStream_t each : capture->streams) {
    for (const size_t work : each->behind) all_joined = all_joined && joined.contains(work);
    each->capture.reset();
  }
  capture->running = machine().capturing = false;
  if (const cudaError_t error = enter("cudaStreamEndCapture")) return error;
  if (!all_joined) return refuse(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->graph)};
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
  finish_copies();
  executable->work.run(static_cast<uint32_t>(machine().replayed++));
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
    case cudaErrorStreamCaptureUnmatched:
      return "cudaErrorStreamCaptureUnmatched";
    case cudaErrorStreamCaptureUnjoined:
      return "cudaErrorStreamCaptureUnjoined";
    case cudaErrorStreamCaptureIsolation:
      return "cudaErrorStreamCaptureIsolation";
    case cudaErrorCapturedEvent:
      return "cudaErrorCapturedEvent";
  }
  return "unknown";
}
const char* cudaGetErrorString(cudaError_t error) {
  return cudaGetErrorName(error);
}
