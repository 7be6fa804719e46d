#include "apps/machine.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "apps/console.h"
#include "engine/core/error.h"
#include "engine/cpu/cpu_device.h"
#include "kernels/register.h"

namespace engine {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> find_library() {
  std::error_code ignored;
  const fs::path folder = fs::path(this_program()).parent_path();
  for (const fs::path& place : {folder, folder.parent_path() / "lib/engine"}) {
    const fs::path file = place / "libengine_cuda.so";
    if (fs::exists(file, ignored)) return file;
  }
  return std::nullopt;
}

/// The library brings cuBLASLt, whose loading takes a tenth of a second: for nothing without a
/// driver.
bool has_driver() {
  static const bool found = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) != nullptr;
  return found;
}

CudaLibrary load_library() {
  const auto file = find_library();
  if (!file) return {.why_not = "this build of the engine has no CUDA library (libengine_cuda.so)"};
  void* library = dlopen(file->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return {.why_not = dlerror()};
  const auto open = reinterpret_cast<OpenBackend>(dlsym(library, kOpenBackend));
  const Backend* backend = open ? open(ENGINE_VERSION) : nullptr;
  if (!backend) {
    return {.why_not = fmt::format("{} belongs to another version of the engine", file->string())};
  }
  return {.backend = backend};
}

/// $XDG_CACHE_HOME/engine/plans.json, by default in ~/.cache; empty where neither is known.
std::string plan_cache_file() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache == '/') return std::string(cache) + "/engine/plans.json";
  const char* home = std::getenv("HOME");
  return home && *home == '/' ? std::string(home) + "/.cache/engine/plans.json" : "";
}

const Backend& cuda_backend() {
  if (find_library() && !has_driver()) fail(ExitCode::device, "no NVIDIA driver is installed");
  const CudaLibrary& library = cuda_library();
  if (!library.backend) fail(ExitCode::device, "{}", library.why_not);
  return *library.backend;
}

Machine open_gpu(const Backend& backend, size_t ordinal) {
  const GpuOptions options{.plan_cache = plan_cache_file(), .note = print_error};
  Machine machine{.device = backend.open(static_cast<int>(ordinal), options),
                  .registry = register_ops(),
                  .libraries = backend.libraries()};
  backend.add_kernels(machine.registry);
  return machine;
}

Machine open_cuda(size_t ordinal) {
  const Backend& backend = cuda_backend();
  const std::vector<GpuInfo> gpus = backend.devices();
  if (ordinal >= gpus.size()) {
    fail(ExitCode::device, "there {} only {} GPU{}", gpus.size() == 1 ? "is" : "are", gpus.size(),
         gpus.size() == 1 ? "" : "s");
  }
  if (!gpus[ordinal].why_not.empty()) fail(ExitCode::device, "{}", gpus[ordinal].why_not);
  return open_gpu(backend, ordinal);
}

/// The first GPU that can be used.
Machine open_any_cuda() {
  const Backend& backend = cuda_backend();
  const std::vector<GpuInfo> gpus = backend.devices();
  std::string skipped;
  for (size_t i = 0; i < gpus.size(); ++i) {
    if (gpus[i].why_not.empty()) {
      Machine machine = open_gpu(backend, i);
      if (!skipped.empty()) machine.note = fmt::format("note: running on cuda:{}: {}", i, skipped);
      return machine;
    }
    if (skipped.empty()) skipped = gpus[i].why_not;
  }
  fail(ExitCode::device, "{}", skipped);
}

Machine open_cpu() {
  return {.device = make_cpu_device(), .registry = register_ops(), .libraries = libraries()};
}

Machine open_target(const std::string& target) {
  const CudaLibrary& library = cuda_library();
  if (!library.backend) fail(ExitCode::device, "--target {}: {}", target, library.why_not);
  DescribedGpu gpu = library.backend->describe(target);
  Machine machine{.device = std::move(gpu.device),
                  .registry = register_ops(),
                  .libraries = library.backend->libraries(),
                  .list = gpu.list};
  library.backend->add_kernels(machine.registry);
  return machine;
}

Machine open_any() {
  if (!find_library()) return open_cpu();
  try {
    return open_any_cuda();
  } catch (const Error& error) {
    Machine machine = open_cpu();
    machine.note = fmt::format("note: running on the CPU: {}", error.what());
    return machine;
  }
}

}  // namespace

const CudaLibrary& cuda_library() {
  static const CudaLibrary library = load_library();
  return library;
}

std::optional<int> cuda_ordinal(std::string_view device) {
  if (device == "cuda") return 0;
  if (!device.starts_with("cuda:")) return std::nullopt;
  const std::string_view number = device.substr(5);
  int ordinal = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), ordinal);
  if (error != std::errc() || end != number.data() + number.size() || ordinal < 0) {
    return std::nullopt;
  }
  return ordinal;
}

void require_device_name(const std::string& device) {
  if (!cuda_ordinal(device) && device != "auto" && device != "cpu") {
    fail(ExitCode::usage, "--device {}: expected auto, cpu, cuda or cuda:N", device);
  }
}

Machine open_machine(const SharedOptions& options) {
  const std::optional<int> ordinal = cuda_ordinal(options.device);
  require_device_name(options.device);
  set_threads(static_cast<int>(options.threads));
  if (!options.target.empty()) {
    if (options.device == "cpu") {
      fail(ExitCode::usage, "--target {} is a GPU: expected --device cuda or none", options.target);
    }
    return open_target(options.target);
  }
  if (options.device == "cpu") return open_cpu();
  if (!ordinal) return open_any();
  try {
    return open_cuda(static_cast<size_t>(*ordinal));
  } catch (const Error& error) {
    fail(error.code(), "--device {}: {}; use --device cpu or auto", options.device, error.what());
  }
}

}  // namespace engine
