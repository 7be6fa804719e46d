// engine devices: what experiments can run on here.

#include "apps/machine.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/value.h"
#include "engine/cpu/cpu_device.h"

namespace engine {
namespace {

/// The GPUs, or why there is none that can be used.
struct Gpus {
  std::vector<GpuInfo> devices;
  std::string libraries, architectures, why_not;

  /// What --device auto takes.
  std::string chosen() const {
    for (size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].why_not.empty()) return fmt::format("cuda:{}", i);
    }
    return "cpu";
  }
};

Gpus find_gpus() {
  const CudaLibrary& library = cuda_library();
  if (!library.backend) return {.why_not = library.why_not};
  Gpus gpus{.architectures = library.backend->architectures()};
  try {
    gpus.devices = library.backend->devices();
    gpus.libraries = library.backend->libraries();
  } catch (const Error& error) {
    gpus.devices.clear();
    gpus.why_not = error.what();
  }
  return gpus;
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
    value.set("uuid", gpu.uuid);
    value.set("compute_capability", gpu.compute_capability);
    value.set("memory", static_cast<int64_t>(gpu.memory));
    value.set("multiprocessors", gpu.multiprocessors);
    value.set("libraries", gpus.libraries);
    value.set("architectures", gpus.architectures);
    if (!gpu.why_not.empty()) value.set("not_used_because", gpu.why_not);
    devices.push_back(std::move(value));
  }
  Value all{Object{}};
  all.set("default", gpus.chosen());
  if (!gpus.why_not.empty()) all.set("no_cuda_because", gpus.why_not);
  all.set("devices", std::move(devices));
  return all;
}

/// Prints text after line, in as many lines of at most 80 columns as it takes.
void print_text(std::string line, std::string_view text) {
  constexpr size_t kColumns = 80;
  const std::string indent(line.size(), ' ');
  while (line.size() + text.size() > kColumns) {
    const size_t space = text.rfind(' ', kColumns - line.size());
    if (space == std::string_view::npos) break;
    fmt::print("{}{}\n", line, text.substr(0, space));
    text.remove_prefix(space + 1);
    line = indent;
  }
  fmt::print("{}{}\n", line, text);
}

void print_row(std::string_view name, std::string_view text) {
  print_text(fmt::format("  {:20}", name), text);
}

void print_devices(const Gpus& gpus) {
  const std::string chosen = gpus.chosen();
  const auto title = [&](const std::string& device) {
    fmt::print("{}{}\n", device, device == chosen ? " (default)" : "");
  };
  title("cpu");
  print_text("  ", make_cpu_device()->description());
  print_row("usable cores", std::to_string(usable_cores()));
  print_row("instruction sets", instruction_sets());
  print_row("libraries", libraries());
  for (size_t i = 0; i < gpus.devices.size(); ++i) {
    const GpuInfo& gpu = gpus.devices[i];
    title(fmt::format("cuda:{}", i));
    print_text("  ", gpu.name);
    print_row("compute capability", gpu.compute_capability);
    print_row("memory", fmt::format("{:.1f} GB", static_cast<double>(gpu.memory) / 1e9));
    print_row("multiprocessors", std::to_string(gpu.multiprocessors));
    print_row("libraries", gpus.libraries);
    print_row("architectures", gpus.architectures);
    if (!gpu.why_not.empty()) print_row("not used", gpu.why_not);
  }
  if (gpus.devices.empty()) {
    title("cuda");
    print_text("  not available: ", gpus.why_not);
    if (!gpus.architectures.empty()) print_row("architectures", gpus.architectures);
  }
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
