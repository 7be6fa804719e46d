#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace engine {

/// Threads to use when the caller asks for `threads` (0: all cores).
inline int thread_count(int threads) {
  if (threads > 0) return threads;
  const unsigned cores = std::thread::hardware_concurrency();
  return cores ? static_cast<int>(cores) : 1;
}

/// Calls body(i) for i in [0, count) on several threads, which take `grain` indices at a time. When
/// calls throw, no new ones start, and the error of the lowest index that threw is thrown on.
template <class Body>
void on_threads(int threads, int64_t count, int64_t grain, const Body& body) {
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;
  int64_t error_index = count;
  auto work = [&] {
    while (!failed) {
      const int64_t begin = next.fetch_add(grain);
      if (begin >= count) return;
      const int64_t end = begin + grain < count ? begin + grain : count;
      for (int64_t i = begin; i < end; ++i) {
        try {
          body(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (i < error_index) {
            error = std::current_exception();
            error_index = i;
          }
          failed = true;
          return;
        }
      }
    }
  };
  const int64_t useful = (count + grain - 1) / grain;
  std::vector<std::thread> helpers;
  for (int64_t i = 1; i < thread_count(threads) && i < useful; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace engine
