#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace engine {

/// Page-locked memory that copies between host and device go through: the only memory of the host
/// that a GPU copies from and to at full speed and beside other work. Two chunks take turns, so
/// that the host fills or empties one while the other is on its way.
class Staging {
 public:
  static constexpr size_t kChunkBytes = size_t{4} << 20;

  /// Throws Error (out_of_memory, device).
  Staging();
  ~Staging();
  Staging(const Staging&) = delete;

  /// Return when the copy is done. What the stream has queued before comes first.
  void to_device(void* device, const void* host, size_t bytes, cudaStream_t stream);
  void to_host(void* host, const void* device, size_t bytes, cudaStream_t stream);

 private:
  struct Chunk {
    void* memory = nullptr;
    cudaEvent_t copied = nullptr;  ///< its last transfer, where another one follows
  };
  void release() noexcept;
  Chunk& chunk_at(size_t offset) { return chunks_[offset / kChunkBytes % 2]; }

  Chunk chunks_[2];
};

}  // namespace engine
