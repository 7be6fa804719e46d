#pragma once

// The device that tests of kernels run on. The same tests make two programs: one for the CPU, and
// one in which tests/emulation's version of these functions puts the emulated GPU in its place.

#include <memory>
#include <span>

#include "engine/core/registry.h"

namespace engine::test {

/// A new device to test.
std::unique_ptr<Device> make_tested_device();
/// Its side of an op, an optimizer, the pipeline; null when it has none.
KernelFactory tested(const OpEntry& entry);
OptimizerFactory tested(const OptimizerEntry& entry);
PipelineFactory tested_pipeline(const Registry& registry);
/// What it can compute in.
std::span<const Precision> tested_precisions();
/// What a comparison with the reference found, as a share of what is compared: belongs to
/// everything that ran on the device made last.
void note_error(double relative);
/// All ops as the tests' registry has them.
Registry tested_registry();

}  // namespace engine::test
