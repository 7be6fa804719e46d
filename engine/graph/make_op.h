#pragma once

// Ops that no file names: made from the registry by their attributes, so that the graph needs to
// know no op's type.

#include <memory>
#include <string_view>

#include "engine/core/registry.h"

namespace engine {

/// A configured op. Throws Error (internal) when the registry lacks it or an attribute is wrong.
std::shared_ptr<Op> make_op(const Registry& registry, std::string_view type, Object attributes);

/// All attributes of an op, as its keys write them.
Object attributes_of(const Op& op);

}  // namespace engine
