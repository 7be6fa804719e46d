#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace engine {

/// A record of a TFRecord file: its length (64 bits, little endian), the masked CRC-32C of the
/// length, the bytes, and their masked CRC-32C.
std::string framed_record(std::string_view bytes);

struct WholeRecords {
  std::vector<std::string> records;
  bool torn = false;  ///< something follows that is no whole record
};
/// The records of a file up to the first that is cut off or damaged.
WholeRecords whole_records(std::string_view file);

}  // namespace engine
