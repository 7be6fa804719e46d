#pragma once

// What tests say to the emulation, and what stands in for engine/cuda/launch.h's triple angle
// brackets.

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace emulated {

/// Runs a kernel, or records it when the stream is being captured. thread() is one thread's work.
/// Throws std::runtime_error when threads wait at different barriers or for one that has ended.
cudaError_t run(cudaStream_t stream, const std::string& kernel, dim3 grid, dim3 block,
                std::function<void()> thread);

/// Throws std::runtime_error when a kernel's argument is or holds the address of memory that
/// cudaMalloc has not given, which a GPU's kernel could not reach.
void expect_device_memory(const std::string& kernel, const void* argument, size_t bytes);

/// Runs or records, as run() does, what a library would do on the stream: work(), as one launch of
/// that name.
cudaError_t library_call(cudaStream_t stream, const std::string& name, std::function<void()> work);

/// From now on call number n of the runtime (1: the next one) fails with error, once; 0: never.
void fail_call(uint64_t n, cudaError_t error);
/// Calls of the runtime and launches since the last fail_call.
uint64_t calls();
/// Names of the kernels that ran since the start, with the number of launches, in order of names.
std::vector<std::pair<std::string, uint64_t>> launches();
/// Bytes that cudaMalloc has given and cudaFree has not had back.
size_t allocated();
/// What cudaMalloc may give in all.
void set_memory(size_t bytes);

}  // namespace emulated
