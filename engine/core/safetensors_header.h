#pragma once

// The header of a safetensors file as text. Private to safetensors.cpp.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/safetensors.h"

namespace engine::safetensors {

inline constexpr std::string_view kChecksumKey = "engine.checksum";
inline constexpr std::string_view kChecksumPrefix = "xxh3-128:";
inline constexpr size_t kChecksumDigits = 32;

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> dims;
  uint64_t begin = 0, end = 0;  ///< in the data
  uint64_t place = 0;           ///< of the entry in the file, for messages
};

struct Header {
  std::vector<Entry> entries;
  Metadata metadata;
  size_t checksum = 0;  ///< where the digits are in the text; 0: none
  bool marked = false;  ///< something in it says that the engine wrote this file
};

/// Parses the header's text, which starts at offset 8 of the file. Checks everything that needs no
/// data: grammar, UTF-8, duplicates, dtypes, shapes against bytes. Throws Error (data).
Header parse(std::string_view text, const std::string& path);

std::string_view name_of(DType type);  ///< "F32"

}  // namespace engine::safetensors
