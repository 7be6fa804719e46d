// The way into libengine_cuda.so.

#include <fmt/format.h>

#include <string_view>

#include "engine/core/backend.h"
#include "engine/core/error.h"
#include "engine/cuda/architectures.h"
#include "engine/cuda/check.h"
#include "engine/cuda/convolution.h"
#include "engine/cuda/cuda_device.h"
#include "engine/cuda/described_device.h"
#include "engine/cuda/matmul_plan.h"
#include "engine/cuda/plan_cache.h"
#include "kernels/register_cuda.h"

namespace engine {
namespace {

/// "13.0" of CUDA's way to write a version, 13000.
std::string version(int number) {
  return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

constexpr std::string_view kArchitectures = ENGINE_CUDA_ARCHITECTURES;

GpuInfo info_of(const cudaDeviceProp& properties) {
  GpuInfo gpu{.name = properties.name,
              .uuid = uuid_text(properties),
              .compute_capability = fmt::format("{}.{}", properties.major, properties.minor),
              .memory = properties.totalGlobalMem,
              .multiprocessors = properties.multiProcessorCount};
  const Architectures built(kArchitectures);
  if (!built.cover(properties.major, properties.minor)) {
    constexpr int kOldest = 8;  // what the kernels ask for
    gpu.why_not =
        fmt::format("{} has compute capability {}, this build of the engine has code for {}",
                    gpu.name, gpu.compute_capability, built.text());
    if (properties.major >= kOldest) {
      gpu.why_not += fmt::format(": build it with -DENGINE_CUDA_ARCHITECTURES={}{}",
                                 properties.major, properties.minor);
    }
  }
  return gpu;
}

class CudaBackend : public Backend {
 public:
  std::string libraries() const override {
    int driver = 0, runtime = 0;
    check(cudaDriverGetVersion(&driver), "asking for the driver's version");
    check(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
    return fmt::format("CUDA driver {}, runtime {}, {}, {}", version(driver), version(runtime),
                       matmul_library(), convolution_library());
  }

  std::string architectures() const override { return Architectures(kArchitectures).text(); }

  std::vector<GpuInfo> devices() const override {
    int count = 0, driver = 0, runtime = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) {
      cudaGetLastError();  // reported here; it must not be a later call's
      cudaDriverGetVersion(&driver);
      cudaRuntimeGetVersion(&runtime);
      if (driver == 0) fail(ExitCode::device, "no NVIDIA driver is installed");
      if (driver / 1000 < runtime / 1000) {
        fail(ExitCode::device,
             "the NVIDIA driver is for CUDA {}, this engine needs one for CUDA {} or newer",
             version(driver), version(runtime));
      }
      fail(ExitCode::device, "{}", cudaGetErrorString(error));
    }
    if (count == 0) fail(ExitCode::device, "there is no NVIDIA GPU");
    std::vector<GpuInfo> all;
    for (int i = 0; i < count; ++i) {
      cudaDeviceProp properties{};
      check(cudaGetDeviceProperties(&properties, i), "asking for a GPU's properties");
      all.push_back(info_of(properties));
    }
    return all;
  }

  std::unique_ptr<Device> open(int ordinal, const GpuOptions& options) const override {
    return std::make_unique<CudaDevice>(
        ordinal, std::make_shared<PlanCache>(options.plan_cache, options.note), options.products);
  }
  std::vector<std::string> targets() const override {
    std::vector<std::string> names;
    for (const DeviceProfile& profile : device_profiles()) names.emplace_back(profile.target);
    return names;
  }
  DescribedGpu describe(std::string_view target) const override {
    for (const DeviceProfile& profile : device_profiles()) {
      if (profile.target != target) continue;
      auto device = std::make_unique<DescribedDevice>(profile);
      LaunchList* const list = device->list();
      return {std::move(device), list};
    }
    fail(ExitCode::usage, "--target {}: expected cpu, cuda or one of {}", target,
         fmt::join(targets(), ", "));
  }
  LaunchList time_launches(Device& device, const std::function<void()>& work) const override {
    return as_cuda(device).time_launches(work);
  }
  void add_kernels(Registry& registry) const override { register_cuda_kernels(registry); }
};

}  // namespace
}  // namespace engine

extern "C" const engine::Backend* engine_open_backend(const char* engine_version) {
  static const engine::CudaBackend backend;
  return std::string_view(engine_version) == ENGINE_VERSION ? &backend : nullptr;
}
