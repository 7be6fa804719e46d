#include "engine/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "engine/core/error.h"
#include "engine/cuda/check.h"

namespace engine {
namespace {

constexpr const char* kToDevice = "copying to the GPU";
constexpr const char* kFromDevice = "copying from the GPU";

}  // namespace

Staging::Staging() {
  try {
    for (Chunk& chunk : chunks_) {
      const cudaError_t error = cudaMallocHost(&chunk.memory, kChunkBytes);
      if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError();  // this one is reported; it must not be the next call's
        fail(ExitCode::out_of_memory,
             "out of page-locked memory: {:.1f} MB of the host's were asked for",
             static_cast<double>(kChunkBytes) / 1e6);
      }
      check(error, "allocating page-locked memory");
      check(cudaEventCreateWithFlags(&chunk.copied, cudaEventDisableTiming), "making an event");
    }
  } catch (...) {
    release();
    throw;
  }
}

Staging::~Staging() {
  release();
}

void Staging::release() noexcept {
  for (Chunk& chunk : chunks_) {
    if (chunk.copied) cudaEventDestroy(chunk.copied);
    if (chunk.memory) cudaFreeHost(chunk.memory);
  }
}

void Staging::to_device(void* device, const void* host, size_t bytes, cudaStream_t stream) {
  for (size_t sent = 0; sent < bytes;) {
    Chunk& chunk = chunk_at(sent);
    const size_t part = std::min(kChunkBytes, bytes - sent);
    if (sent >= 2 * kChunkBytes) check(cudaEventSynchronize(chunk.copied), kToDevice);
    std::memcpy(chunk.memory, static_cast<const std::byte*>(host) + sent, part);
    check(cudaMemcpyAsync(static_cast<std::byte*>(device) + sent, chunk.memory, part,
                          cudaMemcpyHostToDevice, stream),
          kToDevice);
    if (sent + 2 * kChunkBytes < bytes) check(cudaEventRecord(chunk.copied, stream), kToDevice);
    sent += part;
  }
  check(cudaStreamSynchronize(stream), kToDevice);
}

void Staging::to_host(void* host, const void* device, size_t bytes, cudaStream_t stream) {
  size_t asked = 0;
  for (size_t received = 0; received < bytes;) {
    while (asked < bytes && asked < received + 2 * kChunkBytes) {
      Chunk& chunk = chunk_at(asked);
      const size_t part = std::min(kChunkBytes, bytes - asked);
      check(cudaMemcpyAsync(chunk.memory, static_cast<const std::byte*>(device) + asked, part,
                            cudaMemcpyDeviceToHost, stream),
            kFromDevice);
      asked += part;
      if (asked < bytes) check(cudaEventRecord(chunk.copied, stream), kFromDevice);
    }
    Chunk& chunk = chunk_at(received);
    const size_t part = std::min(kChunkBytes, bytes - received);
    const bool last = received + part == bytes;
    check(last ? cudaStreamSynchronize(stream) : cudaEventSynchronize(chunk.copied), kFromDevice);
    std::memcpy(static_cast<std::byte*>(host) + received, chunk.memory, part);
    received += part;
  }
}

}  // namespace engine
