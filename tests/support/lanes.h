#pragma once

#include <string>
#include <vector>

#include "engine/graph/program.h"
#include "tests/support/small_network.h"

namespace engine::test {

/// A network's program, without an executor around it.
ProgramSetup program_setup(const SmallNetwork& network, Device& device, Mode mode);

/// Looks at the bytes that calls of a program touch according to its graph and placement: "a
/// (forward) writes what b (forward) touches beside it". Empty: lanes do not disturb each other.
std::vector<std::string> disturbed_lanes(const Program& program);

}  // namespace engine::test
