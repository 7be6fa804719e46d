// The tests of tests/ops and tests/image once more, with the emulated GPU in the CPU's place.

#include "tests/support/tested_device.h"

#include "engine/cuda/cuda_device.h"
#include "kernels/register.h"
#include "kernels/register_cuda.h"
#include "tests/emulation/kernel_table.h"

namespace engine::test {

std::unique_ptr<Device> make_tested_device() {
  kernel_table().begin_case();
  return std::make_unique<CudaDevice>(0);
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
void note_error(double relative) {
  kernel_table().note_error(relative);
}
Registry tested_registry() {
  Registry registry = register_ops();
  register_cuda_kernels(registry);
  return registry;
}

}  // namespace engine::test
