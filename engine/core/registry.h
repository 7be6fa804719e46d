#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/op.h"
#include "engine/core/optimizer.h"
#include "engine/core/stage.h"

namespace engine {

struct OpEntry {
  std::string_view name;
  std::string_view doc;  ///< one or two sentences for the reference page
  std::unique_ptr<Op> (*make)();
  KernelFactory cpu = nullptr;
  KernelFactory cuda = nullptr;
  bool internal = false;  ///< inserted by the graph (split, the loss); files may not name it
};

struct StageEntry {
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<Stage> (*make)();
};

struct OptimizerEntry {
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<Optimizer> (*make)();
  OptimizerFactory cpu = nullptr;
  OptimizerFactory cuda = nullptr;
};

/// Every op, stage and optimizer that experiment files can name. Filled by register_ops()
/// (kernels/register.h) from one explicit table; passed around by reference, never global.
struct Registry {
  std::vector<OpEntry> ops;
  std::vector<StageEntry> stages;
  std::vector<OptimizerEntry> optimizers;
  PipelineFactory cpu_pipeline = nullptr;
  PipelineFactory cuda_pipeline = nullptr;

  const OpEntry* op(std::string_view name) const;  ///< null when unknown
  const StageEntry* stage(std::string_view name) const;
  const OptimizerEntry* optimizer(std::string_view name) const;
};

template <class Derived, class Base>
std::unique_ptr<Base> make_as() {
  return std::make_unique<Derived>();
}

}  // namespace engine
