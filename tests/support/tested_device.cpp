#include "tests/support/tested_device.h"

#include "engine/cpu/cpu_device.h"
#include "kernels/register.h"

namespace engine::test {

std::unique_ptr<Device> make_tested_device() {
  return make_cpu_device();
}
KernelFactory tested(const OpEntry& entry) {
  return entry.cpu;
}
OptimizerFactory tested(const OptimizerEntry& entry) {
  return entry.cpu;
}
PipelineFactory tested_pipeline(const Registry& registry) {
  return registry.cpu_pipeline;
}
std::span<const Precision> tested_precisions() {
  static constexpr Precision kAll[] = {Precision::fp32};
  return kAll;
}
void note_error(double) {}
Registry tested_registry() {
  return register_ops();
}

}  // namespace engine::test
