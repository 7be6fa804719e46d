#include "engine/cuda/launch_timer.h"

#include <utility>

#include "engine/cuda/check.h"

namespace engine {

LaunchTimer::LaunchTimer(Device& device, cudaStream_t stream, size_t cache_bytes)
    : device_(device), stream_(stream), scratch_(device, 4 * cache_bytes) {}

LaunchTimer::~LaunchTimer() {
  for (const cudaEvent_t event : events_) cudaEventDestroy(event);
}

void LaunchTimer::mark() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "timing launches");
  events_.push_back(event);
  check(cudaEventRecord(event, stream_), "timing launches");
}

void LaunchTimer::begin() {
  device_.zero(scratch_.data(), scratch_.bytes());
  mark();
}

void LaunchTimer::end(LaunchList::Launch launch) {
  mark();
  list_.add(std::move(launch));
}

LaunchList LaunchTimer::result() {
  device_.synchronize();
  for (size_t i = 0; i < list_.launches.size(); ++i) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, events_[2 * i], events_[2 * i + 1]),
          "timing launches");
    list_.launches[i].microseconds = 1e3 * double{milliseconds};
  }
  return std::move(list_);
}

}  // namespace engine
