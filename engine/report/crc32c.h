#pragma once

#include <cstdint>
#include <string_view>

namespace engine {

/// CRC-32C (Castagnoli), as iSCSI has it: RFC 3720, appendix B.4.
uint32_t crc32c(std::string_view bytes);

}  // namespace engine
