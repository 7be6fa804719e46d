#pragma once

#include <omp.h>

#include <cstdint>

namespace engine {

/// Calls body(i) for i in [0, count) on all threads, in contiguous static chunks. body may not
/// throw.
template <class Body>
void parallel_for(int64_t count, const Body& body) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) body(i);
}

/// Calls body(begin, end) once a thread with its share of [0, count), in multiples of grain.
template <class Body>
void parallel_ranges(int64_t count, int64_t grain, const Body& body) {
  const int64_t pieces = (count + grain - 1) / grain;
#pragma omp parallel
  {
    const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
    const int64_t begin = pieces * thread / threads * grain;
    int64_t end = pieces * (thread + 1) / threads * grain;
    if (end > count) end = count;
    if (begin < end) body(begin, end);
  }
}

}  // namespace engine
