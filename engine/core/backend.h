#pragma once

// What a library for another kind of device gives to the program that loads it at run time.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/launch_list.h"
#include "engine/core/registry.h"

namespace engine {

struct GpuInfo {
  std::string name;
  std::string uuid;                ///< "GPU-7d2c...", as CUDA_VISIBLE_DEVICES takes it
  std::string compute_capability;  ///< "9.0"
  size_t memory = 0;               ///< bytes
  int multiprocessors = 0;
  std::string why_not;  ///< it cannot be used, in a line; empty for one that can
};

/// Which library computes dense layers and 1x1 convolutions; all other convolutions are cuDNN's.
enum class ProductLibrary : uint8_t { fastest, cudnn, cublaslt };

struct GpuOptions {
  /// File that remembers which convolution plans are fast on this machine; empty: none.
  std::string plan_cache;
  /// Gets a line when something did not work that one can do without. May be empty.
  std::function<void(const std::string&)> note;
  /// Another than the fastest is for tests of the two.
  ProductLibrary products = ProductLibrary::fastest;
};

/// A GPU that is only described, and what is asked of it.
struct DescribedGpu {
  std::unique_ptr<Device> device;
  LaunchList* list;  ///< the device's own
};

/// The library's one object; lives as long as the process.
class Backend {
 public:
  virtual ~Backend() = default;
  /// What computes, with versions: "CUDA driver 13.0, runtime 13.0, cuBLAS 13.1.0, cuDNN 9.19.0".
  virtual std::string libraries() const = 0;
  /// GPUs that it has code for: "sm_80, sm_90, sm_100, PTX for later ones".
  virtual std::string architectures() const = 0;
  /// Devices 0, 1, ... Throws Error (device) with the reason when there is none.
  virtual std::vector<GpuInfo> devices() const = 0;
  virtual std::unique_ptr<Device> open(int ordinal, const GpuOptions& options) const = 0;
  /// GPUs that can be described without being there: "h100" ...
  virtual std::vector<std::string> targets() const = 0;
  /// Needs no driver. Throws Error (usage) when target is not one of targets().
  virtual DescribedGpu describe(std::string_view target) const = 0;
  /// Runs work(), which uses one of this library's devices and records nothing, and tells how long
  /// each kernel and each of a library's calls took by itself, with nothing of its own in the
  /// cache.
  virtual LaunchList time_launches(Device& device, const std::function<void()>& work) const = 0;
  /// Adds the device's kernels to the table of register_ops().
  virtual void add_kernels(Registry& registry) const = 0;
};

/// The library's one function, under kOpenBackend: null when the library was built with another
/// version of the engine, whose contracts may differ.
using OpenBackend = const Backend* (*)(const char* engine_version);
inline constexpr const char* kOpenBackend = "engine_open_backend";

}  // namespace engine
