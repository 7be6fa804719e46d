#pragma once

#include "engine/core/registry.h"

namespace engine {

/// The table of everything that experiment files can name. Only apps and tests call this.
Registry register_ops();

}  // namespace engine
