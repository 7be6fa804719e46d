#pragma once

// The device that a verb runs on, and the kernels that are there for it.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/options.h"
#include "engine/core/backend.h"

namespace engine {

/// libengine_cuda.so, from beside the program or from ../lib/engine. Nothing is loaded before it is
/// asked for, and the program itself links with no part of CUDA.
struct CudaLibrary {
  const Backend* backend = nullptr;  ///< null: see why_not
  std::string why_not;               ///< one line
};
const CudaLibrary& cuda_library();

struct Machine {
  std::unique_ptr<Device> device;
  Registry registry;
  std::string libraries;  ///< that compute, with versions
  /// auto took the CPU although the CUDA library is there, or not the first GPU: why, in a line.
  /// Verbs that compute for long show it.
  std::string note;
  /// --target: what is asked of the device, which is only described. Null for one that runs.
  LaunchList* list = nullptr;
};

/// The number in "cuda" (0) or "cuda:N"; nothing for another text.
std::optional<int> cuda_ordinal(std::string_view device);
/// Throws Error (usage) unless it is auto, cpu, cuda or cuda:N.
void require_device_name(const std::string& device);

/// What --target or --device names, with the threads of --threads set: before anything runs in
/// parallel. auto takes the first GPU that can be used, else the CPU. Throws Error (device) with
/// the reason when a named device cannot be had, Error (usage) for an unknown name.
Machine open_machine(const SharedOptions& options);

}  // namespace engine
