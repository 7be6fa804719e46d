// engine devices: what experiments can run on here.

#include "apps/machine.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/value.h"
#include "engine/cpu/cpu_device.h"

namespace engine {
namespace {

/// The GPUs that can be used, or why none can.
struct Gpus {
  std::vector<GpuInfo> devices;
  std::string libraries, why_not;
};

Gpus find_gpus() {
  const CudaLibrary& library = cuda_library();
  if (!library.backend) return {.why_not = library.why_not};
  try {
    return {.devices = library.backend->devices(), .libraries = library.backend->libraries()};
  } catch (const Error& error) {
    return {.why_not = error.what()};
  }
}

Value as_json(const Gpus& gpus) {
  Value cpu{Object{}};
  cpu.set("device", "cpu");
  cpu.set("description", make_cpu_device()->description());
  cpu.set("cores", usable_cores());
  cpu.set("instruction_sets", instruction_sets());
  cpu.set("libraries", libraries());
  Array devices{std::move(cpu)};
  for (size_t i = 0; i < gpus.devices.size(); ++i) {
    const GpuInfo& gpu = gpus.devices[i];
    Value value{Object{}};
    value.set("device", fmt::format("cuda:{}", i));
    value.set("description", gpu.name);
    value.set("compute_capability", gpu.compute_capability);
    value.set("memory", static_cast<int64_t>(gpu.memory));
    value.set("multiprocessors", gpu.multiprocessors);
    value.set("libraries", gpus.libraries);
    devices.push_back(std::move(value));
  }
  Value all{Object{}};
  all.set("default", gpus.devices.empty() ? "cpu" : "cuda:0");
  if (!gpus.why_not.empty()) all.set("no_cuda_because", gpus.why_not);
  all.set("devices", std::move(devices));
  return all;
}

void print_devices(const Gpus& gpus) {
  fmt::print("cpu{}\n", gpus.devices.empty() ? " (default)" : "");
  fmt::print("  {}\n", make_cpu_device()->description());
  fmt::print("  usable cores        {}\n", usable_cores());
  fmt::print("  instruction sets    {}\n", instruction_sets());
  fmt::print("  libraries           {}\n", libraries());
  for (size_t i = 0; i < gpus.devices.size(); ++i) {
    const GpuInfo& gpu = gpus.devices[i];
    fmt::print("cuda:{}{}\n  {}\n", i, i == 0 ? " (default)" : "", gpu.name);
    fmt::print("  compute capability  {}\n", gpu.compute_capability);
    fmt::print("  memory              {:.1f} GB\n", static_cast<double>(gpu.memory) / 1e9);
    fmt::print("  multiprocessors     {}\n", gpu.multiprocessors);
    fmt::print("  libraries           {}\n", gpus.libraries);
  }
  if (gpus.devices.empty()) fmt::print("cuda\n  not available: {}\n", gpus.why_not);
}

}  // namespace

Action declare_devices(Arguments& arguments) {
  auto options = std::make_shared<SharedOptions>();
  add_json(arguments, *options);
  return [options] {
    const Gpus gpus = find_gpus();
    if (options->json) {
      fmt::print("{}\n", to_json(as_json(gpus)));
    } else {
      print_devices(gpus);
    }
    return 0;
  };
}

}  // namespace engine
