#include "engine/cuda/lanes.h"

#include <utility>

#include "engine/cuda/check.h"

namespace engine {

Lanes::Lanes() {
  try {
    for (cudaStream_t& stream : streams_) {
      check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    }
    for (cudaEvent_t& event : events_) {
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    }
  } catch (...) {
    destroy();
    throw;
  }
}

Lanes::~Lanes() {
  destroy();
}

void Lanes::destroy() {
  for (const cudaEvent_t event : events_) {
    if (event) cudaEventDestroy(event);
  }
  for (const cudaStream_t stream : streams_) {
    if (stream) cudaStreamDestroy(stream);
  }
}

void Lanes::fork_lanes(int count) {
  check(cudaEventRecord(events_[0], streams_[0]), "forking streams");
  for (forked_ = 1; forked_ < count; ++forked_) {
    check(cudaStreamWaitEvent(streams_[static_cast<size_t>(forked_)], events_[0], 0),
          "forking streams");
  }
}

void Lanes::join() {
  const auto count = static_cast<size_t>(std::exchange(forked_, 1));
  for (size_t lane = 1; lane < count; ++lane) {
    check(cudaEventRecord(events_[lane], streams_[lane]), "joining streams");
    check(cudaStreamWaitEvent(streams_[0], events_[lane], 0), "joining streams");
  }
}

}  // namespace engine
