#include "engine/core/registry.h"

namespace engine {
namespace {

template <class Entry>
const Entry* find(const std::vector<Entry>& entries, std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace

const OpEntry* Registry::op(std::string_view name) const {
  return find(ops, name);
}
const StageEntry* Registry::stage(std::string_view name) const {
  return find(stages, name);
}
const OptimizerEntry* Registry::optimizer(std::string_view name) const {
  return find(optimizers, name);
}

}  // namespace engine
