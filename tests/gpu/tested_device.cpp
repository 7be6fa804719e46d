// The tests of tests/ops and tests/image once more, on the GPU: through libengine_cuda.so, which is
// loaded as the engine loads it, so that this program links with no part of CUDA.

#include "tests/support/tested_device.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "kernels/register.h"
#include "tests/gpu/cuda_backend.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;

fs::path library_file() {
  if (const char* named = std::getenv("ENGINE_CUDA_LIBRARY")) return named;
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path beside = folder / "libengine_cuda.so";
  return fs::exists(beside) ? beside : folder / "../../lib/engine/libengine_cuda.so";
}

const Backend& load() {
  void* library = dlopen(library_file().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  const auto open = reinterpret_cast<OpenBackend>(dlsym(library, kOpenBackend));
  const Backend* backend = open ? open(ENGINE_VERSION) : nullptr;
  if (!backend) throw std::runtime_error(library_file().string() + " is of another version");
  return *backend;
}

}  // namespace

const Backend& cuda_backend() {
  static const Backend& one = load();
  return one;
}

GpuOptions& tested_options() {
  static GpuOptions options;
  return options;
}

std::unique_ptr<Device> make_tested_device() {
  cuda_backend().devices();  // says why there is none
  return cuda_backend().open(0, tested_options());
}
KernelFactory tested(const OpEntry& entry) {
  return entry.cuda;
}
OptimizerFactory tested(const OptimizerEntry& entry) {
  return entry.cuda;
}
PipelineFactory tested_pipeline(const Registry& registry) {
  return registry.cuda_pipeline;
}
std::span<const Precision> tested_precisions() {
  static constexpr Precision kAll[] = {Precision::fp32, Precision::tf32, Precision::bf16};
  return kAll;
}
void note_error(double) {}
Registry tested_registry() {
  Registry registry = register_ops();
  cuda_backend().add_kernels(registry);
  return registry;
}

}  // namespace engine::test
