#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace engine {

std::string base64(std::span<const uint8_t> bytes);

}  // namespace engine
