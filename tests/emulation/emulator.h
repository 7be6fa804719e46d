#pragma once

// What tests say to the emulation, and what stands in for engine/cuda/launch.h's triple angle
// brackets.

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace emulated {

/// Runs a kernel, or records it when the stream is being captured: name is what the launch is
/// called, function the kernel's address, thread() one thread's work. Throws std::runtime_error
/// when threads wait at different barriers or for one that has ended.
cudaError_t run(cudaStream_t stream, const std::string& name, const void* function, dim3 grid,
                dim3 block, const std::function<void()>& thread);

/// Throws std::runtime_error when a kernel's argument is the address of memory that cudaMalloc has
/// not given, which a GPU's kernel could not reach. (Of a struct nothing can be told: numbers and
/// the gaps between them may look like addresses.)
void expect_device_memory(const std::string& kernel, const void* argument);

/// Runs or records, as run() does, what a library would do on the stream: work(), as one launch of
/// that name.
cudaError_t library_call(cudaStream_t stream, const std::string& name,
                         const std::function<void()>& work);

/// Counts what a library does without the stream, such as making a plan.
cudaError_t library_setup(const std::string& name);

/// From now on call number n (1: the next one) of the runtime, a library or a launch fails with
/// error; 0: none. A GPU that is out of memory goes on; after any other error all calls fail.
void fail_call(uint64_t n, cudaError_t error);
/// From now on each call's name is a line of the file; that of fail_call ends with " failed".
void log_calls(const std::string& file);
/// Calls since the last fail_call.
uint64_t calls();
/// Launches of one name.
struct Launches {
  uint64_t count = 0;
  std::set<const void*> functions;  ///< the kernels that ran under the name; of a library: none
};
/// What ran since the start, by name.
const std::map<std::string, Launches>& launches();
/// Bytes that cudaMalloc has given and cudaFree has not had back.
size_t allocated();
/// The same of cudaMallocHost and cudaFreeHost.
size_t page_locked();
/// The driver's version: 12080 is CUDA 12.8; 0: there is none. One older than 13000 does not do.
void set_driver(int version);
/// The GPU's compute capability; 9.0 at first.
void set_capability(int major, int minor);
/// Whether kernels are instrumented by the address sanitizer. Shared memory then lies between
/// guards, and is not full of NaN.
bool sanitized();
/// What cudaMalloc may give in all.
void set_memory(size_t bytes);
/// Engines that compute convolutions, the fastest first: "double sums" (the only one at first),
/// "float sums".
void set_engines(const std::vector<std::string>& engines);

}  // namespace emulated
