#include "engine/report/tensorboard_records.h"

#include <cstdint>

#include "engine/report/crc32c.h"

namespace engine {
namespace {

template <class Integer>
void put(std::string& out, Integer value) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

template <class Integer>
Integer get(std::string_view bytes) {
  Integer value = 0;
  for (size_t i = 0; i < sizeof value; ++i) {
    value |= static_cast<Integer>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  }
  return value;
}

/// A CRC of bytes that hold CRCs is a bad one; so those in files are turned and shifted.
uint32_t masked(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
}

constexpr size_t kLength = 8, kCrc = 4;

}  // namespace

std::string framed_record(std::string_view bytes) {
  std::string out;
  out.reserve(kLength + kCrc + bytes.size() + kCrc);
  put(out, static_cast<uint64_t>(bytes.size()));
  put(out, masked(out));
  out += bytes;
  put(out, masked(bytes));
  return out;
}

WholeRecords whole_records(std::string_view file) {
  WholeRecords result;
  while (!file.empty()) {
    result.torn = true;
    if (file.size() < kLength + kCrc) return result;
    if (get<uint32_t>(file.substr(kLength)) != masked(file.substr(0, kLength))) return result;
    const auto length = get<uint64_t>(file);
    file.remove_prefix(kLength + kCrc);
    if (file.size() < kCrc || length > file.size() - kCrc) return result;
    const std::string_view bytes = file.substr(0, length);
    if (get<uint32_t>(file.substr(length)) != masked(bytes)) return result;
    result.records.emplace_back(bytes);
    result.torn = false;
    file.remove_prefix(length + kCrc);
  }
  return result;
}

}  // namespace engine
