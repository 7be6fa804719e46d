#include "tests/emulation/block_threads.h"

#include <link.h>

#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <numeric>
#include <random>
#include <vector>

#include "tests/emulation/stack_switch.h"

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
  Stack stack;          ///< of rest
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
        start_fiber();
        continue;
      }
      bool ran = false;
      for (const size_t i : order_) {
        if (threads_[i].waits != Waits::nothing || !threads_[i].rest) continue;
        current_ = i;
        go_on(std::move(threads_[i].rest), threads_[i].stack);
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
    void* kept = nullptr;
    leave_for(scheduler_stack_, &kept);
    *scheduler = std::move(*scheduler).resume();
    scheduler_stack_ = arrive(kept);
    scheduler_ = scheduler;
    place.thread = thread.index;
  }

  Thread& current() { return threads_[current_]; }

 private:
  /// A new fiber for threads that have not begun.
  void start_fiber() {
    const context::stack_context stack = Stacks().allocate();
    context::fiber fiber(std::allocator_arg, context::preallocated(stack.sp, stack.size, stack),
                         Stacks(), [this](context::fiber&& scheduler) {
                           scheduler_stack_ = arrive(nullptr);
                           start_threads(scheduler);
                           leave_for(scheduler_stack_, nullptr);
                           return std::move(scheduler);
                         });
    go_on(std::move(fiber), {static_cast<char*>(stack.sp) - stack.size, stack.size});
  }

  /// Runs a fiber until it waits or ends.
  void go_on(context::fiber fiber, const Stack& stack) {
    void* kept = nullptr;
    leave_for(stack, &kept);
    fiber = std::move(fiber).resume();
    arrive(kept);
    if (!fiber) return;
    threads_[current_].rest = std::move(fiber);
    threads_[current_].stack = stack;
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
  Stack scheduler_stack_;
  std::string problem_;
};

Block* running = nullptr;

}  // namespace

std::string run_blocks(dim3 grid, dim3 size, const std::function<void()>& thread, uint64_t turn) {
  static std::mt19937 random(1);
  Block block(thread, size);
  auto& order = block.order();
  if (turn % 3 == 1) std::reverse(order.begin(), order.end());
  if (turn % 3 == 2) std::shuffle(order.begin(), order.end(), random);
  const SharedMemory shared = find_shared_memory();
  running = &block;
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
  running = nullptr;
  return problem;
}

void block_barrier(const char* file, int line) {
  Block& block = *running;
  block.current().file = file;
  block.current().line = line;
  block.current().started = true;
  block.wait(Waits::block);
}

uint32_t exchange(uint32_t mask, uint32_t word, int source) {
  Block& block = *running;
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
  return running->lane();
}

}  // namespace emulated
