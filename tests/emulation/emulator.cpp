#include "tests/emulation/emulator.h"

#include <link.h>

#include <array>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <stdexcept>

namespace emulated {

Place place;

namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = 256 << 10;
constexpr unsigned kWarp = 32;

enum class Waits : uint8_t { nothing, block, warp, ended };

struct Thread {
  uint3 index;
  context::fiber rest;  ///< what is left of it while it waits
  Waits waits = Waits::nothing;
  bool started = false;
  const char* file = nullptr;  ///< of the block's barrier
  int line = 0;
  uint32_t mask = 0, word = 0, received = 0;  ///< of the warp's exchange
  int source = 0;
};

/// The thread-local memory of the module that this file is in: the kernels' shared memory.
struct SharedMemory {
  unsigned char* data = nullptr;
  size_t bytes = 0;
};

SharedMemory find_shared_memory() {
  static thread_local char touched;  // a module without thread-local memory has no place for any
  asm volatile("" : : "r"(&touched));
  SharedMemory found;
  const auto visit = [](dl_phdr_info* module, size_t, void* result) {
    const auto here = reinterpret_cast<uintptr_t>(&place);
    size_t tls = 0;
    bool ours = false;
    for (int i = 0; i < module->dlpi_phnum; ++i) {
      const auto& segment = module->dlpi_phdr[i];
      const uintptr_t begin = module->dlpi_addr + segment.p_vaddr;
      if (segment.p_type == PT_LOAD && here >= begin && here < begin + segment.p_memsz) ours = true;
      if (segment.p_type == PT_TLS) tls = segment.p_memsz;
    }
    if (!ours) return 0;
    *static_cast<SharedMemory*>(result) = {static_cast<unsigned char*>(module->dlpi_tls_data), tls};
    return 1;
  };
  dl_iterate_phdr(visit, &found);
  return found;
}

/// Takes stacks back and gives them out again: a launch of many blocks needs few.
class Stacks {
 public:
  context::stack_context allocate() {
    if (free().empty()) return context::fixedsize_stack(kStackBytes).allocate();
    const context::stack_context stack = free().back();
    free().pop_back();
    return stack;
  }
  void deallocate(context::stack_context& stack) { free().push_back(stack); }

 private:
  static std::vector<context::stack_context>& free() {
    static std::vector<context::stack_context> stacks;
    return stacks;
  }
};

/// One block's threads, taking turns.
class Block {
 public:
  Block(const std::function<void()>& work, dim3 size) : work_(work) {
    for (unsigned z = 0; z < size.z; ++z)
      for (unsigned y = 0; y < size.y; ++y)
        for (unsigned x = 0; x < size.x; ++x) threads_.emplace_back().index = {x, y, z};
    order_.resize(threads_.size());
    std::iota(order_.begin(), order_.end(), 0);
  }

  std::vector<size_t>& order() { return order_; }

  /// Empty, or what went wrong.
  std::string run() {
    for (Thread& thread : threads_) thread.waits = Waits::nothing, thread.started = false;
    next_ = 0;
    problem_.clear();
    while (true) {
      if (next_ < order_.size()) {
        go_on(context::fiber(std::allocator_arg, Stacks(), [this](context::fiber&& scheduler) {
          start_threads(scheduler);
          return std::move(scheduler);
        }));
        continue;
      }
      bool ran = false;
      for (const size_t i : order_) {
        if (threads_[i].waits != Waits::nothing || !threads_[i].rest) continue;
        current_ = i;
        go_on(std::move(threads_[i].rest));
        ran = true;
      }
      if (!ran && !release()) break;
    }
    return problem_;
  }

  int lane() const { return static_cast<int>(current_ % kWarp); }

  void wait(Waits waits) {
    if (!problem_.empty()) return;  // only to come to an end
    Thread& thread = threads_[current_];
    thread.waits = waits;
    context::fiber* scheduler = scheduler_;
    *scheduler = std::move(*scheduler).resume();
    scheduler_ = scheduler;
    place.thread = thread.index;
  }

  Thread& current() { return threads_[current_]; }

 private:
  /// Runs a fiber until it waits or ends.
  void go_on(context::fiber fiber) {
    fiber = std::move(fiber).resume();
    if (fiber) threads_[current_].rest = std::move(fiber);
  }

  /// Threads that have not begun, one after the other, until one waits; then the fiber is its own.
  void start_threads(context::fiber& scheduler) {
    scheduler_ = &scheduler;
    while (next_ < order_.size()) {
      current_ = order_[next_++];
      const size_t mine = current_;
      place.thread = threads_[mine].index;
      work_();
      threads_[mine].waits = Waits::ended;
      if (threads_[mine].started) return;
      scheduler_ = &scheduler;
    }
  }

  /// Lets threads go on whose barrier is complete; false when all have ended.
  bool release() {
    bool released = false;
    for (size_t first = 0; first < threads_.size(); first += kWarp) released |= release_warp(first);
    if (released) return true;
    size_t waiting = 0, ended = 0;
    const Thread* one = nullptr;
    for (const Thread& thread : threads_) {
      if (thread.waits == Waits::ended) {
        ++ended;
        continue;
      }
      ++waiting;
      if (!one) one = &thread;
      if (thread.waits == Waits::warp) {
        report("threads of a warp wait for lanes that do not come");
      } else if (one->waits == Waits::block &&
                 (one->file != thread.file || one->line != thread.line)) {
        report("threads wait at different barriers: " + site(*one) + " and " + site(thread));
      }
    }
    if (waiting == 0) return false;
    if (ended > 0 && one->waits == Waits::block) {
      report(std::to_string(waiting) + " threads wait at " + site(*one) + ", " +
             std::to_string(ended) + " have ended");
    }
    for (Thread& thread : threads_) {
      if (thread.waits != Waits::ended) thread.waits = Waits::nothing;
    }
    return true;
  }

  bool release_warp(size_t first) {
    const size_t last = std::min(first + kWarp, threads_.size());
    bool released = false;
    for (size_t i = first; i < last; ++i) {
      const uint32_t mask = threads_[i].mask;
      if (threads_[i].waits != Waits::warp) continue;
      bool complete = true;
      for (size_t j = first; j < last; ++j) {
        if (!(mask >> (j - first) & 1)) continue;
        complete &= threads_[j].waits == Waits::warp && threads_[j].mask == mask;
      }
      if (!complete) continue;
      for (size_t j = first; j < last; ++j) {
        if (!(mask >> (j - first) & 1)) continue;
        const size_t from = first + static_cast<size_t>(threads_[j].source);
        threads_[j].received = from < last ? threads_[from].word : 0xffffffffu;
      }
      for (size_t j = first; j < last; ++j) {
        if (mask >> (j - first) & 1) threads_[j].waits = Waits::nothing;
      }
      released = true;
    }
    return released;
  }

  static std::string site(const Thread& thread) {
    return std::string(thread.file) + ":" + std::to_string(thread.line);
  }
  void report(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }

  const std::function<void()>& work_;
  std::vector<Thread> threads_;
  std::vector<size_t> order_;
  size_t next_ = 0, current_ = 0;
  context::fiber* scheduler_ = nullptr;
  std::string problem_;
};

/// The emulated machine.
struct Machine {
  std::recursive_mutex mutex;
  Block* block = nullptr;
  std::mt19937 random{1};
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
  Block block(thread, size);
  auto& order = block.order();
  const uint64_t turn = m.launched++;
  if (turn % 3 == 1) std::reverse(order.begin(), order.end());
  if (turn % 3 == 2) std::shuffle(order.begin(), order.end(), m.random);
  const SharedMemory shared = find_shared_memory();
  m.block = &block;
  std::string problem;
  for (unsigned z = 0; z < grid.z && problem.empty(); ++z) {
    for (unsigned y = 0; y < grid.y && problem.empty(); ++y) {
      for (unsigned x = 0; x < grid.x && problem.empty(); ++x) {
        place = {.thread = {}, .block = {x, y, z}, .block_dim = size, .grid_dim = grid};
        if (shared.data) std::memset(shared.data, 0xff, shared.bytes);
        problem = block.run();
      }
    }
  }
  m.block = nullptr;
  if (!problem.empty()) throw std::runtime_error(kernel + ": " + problem);
}

/// Counts a call, and says whether it is the one that is to fail.
cudaError_t enter() {
  Machine& m = machine();
  ++m.calls;
  if (m.failing == 0 || m.calls != m.failing) return cudaSuccess;
  return m.last = m.failure;
}

}  // namespace

void block_barrier(const char* file, int line) {
  Block& block = *machine().block;
  block.current().file = file;
  block.current().line = line;
  block.current().started = true;
  block.wait(Waits::block);
}

uint32_t exchange(uint32_t mask, uint32_t word, int source) {
  Block& block = *machine().block;
  Thread& thread = block.current();
  thread.mask = mask;
  thread.word = word;
  thread.source = source;
  thread.started = true;
  block.wait(Waits::warp);
  return thread.received;
}

void warp_barrier(uint32_t mask) {
  exchange(mask, 0, 0);
}

int lane() {
  return machine().block->lane();
}

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
                 .multiProcessorCount = 2};
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
