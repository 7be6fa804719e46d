#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/device.h"

namespace engine {

/// The CPU as a device. Work runs on OpenMP's threads (GNU OpenMP, shared with oneDNN).
std::unique_ptr<Device> make_cpu_device();

/// Numbers of the cores that this process may run on (affinity), rising; empty when not known.
std::vector<int> allowed_cores();
/// How many of them it may use at a time (cgroup quota too).
int usable_cores();
/// Bytes that this process can still take (free memory and swap, cgroup limit); 0 when unknown.
size_t available_memory();
/// Sets the thread count of every parallel loop and of oneDNN; 0 takes usable_cores().
void set_threads(int threads);
int threads();
/// "x86-64-v3, AVX2, FMA": the instruction sets that matter.
std::string instruction_sets();
/// "oneDNN 3.2.0": the libraries that compute, with the versions that run.
std::string libraries();

}  // namespace engine
