// engine devices: what experiments can run on here.

#include "apps/options.h"
#include "apps/verbs.h"
#include "engine/core/value.h"
#include "engine/cpu/cpu_device.h"

namespace engine {

Action declare_devices(Arguments& arguments) {
  auto options = std::make_shared<SharedOptions>();
  add_json(arguments, *options);
  return [options] {
    if (options->json) {
      Value cpu{Object{}};
      cpu.set("device", "cpu");
      cpu.set("description", make_cpu_device()->description());
      cpu.set("cores", usable_cores());
      cpu.set("instruction_sets", instruction_sets());
      cpu.set("libraries", libraries());
      Value all{Object{}};
      all.set("default", "cpu");
      all.set("devices", Array{std::move(cpu)});
      fmt::print("{}\n", to_json(all));
      return 0;
    }
    fmt::print("cpu (default)\n");
    fmt::print("  {}\n", make_cpu_device()->description());
    fmt::print("  usable cores      {}\n", usable_cores());
    fmt::print("  instruction sets  {}\n", instruction_sets());
    fmt::print("  libraries         {}\n", libraries());
    fmt::print("cuda\n  not available: this build has no CUDA support\n");
    return 0;
  };
}

}  // namespace engine
