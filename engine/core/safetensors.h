#pragma once

// Safetensors files: 8 bytes little-endian length of the header, a JSON header {"name": {"dtype",
// "shape", "data_offsets"}, ..., "__metadata__": {...}}, raw little-endian data.
// https://huggingface.co/docs/safetensors (format)

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/file.h"
#include "engine/core/named_tensor.h"

namespace engine {

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// The value of a key, or null.
const std::string* find(const Metadata& metadata, std::string_view key);

/// Reads a file strictly: every byte must be accounted for. Refused, with file and offset: a header
/// longer than the file or 100 MB, anything that is not the format's JSON, names that are not
/// UTF-8, duplicate names, unknown dtypes, shapes that overflow or disagree with their bytes,
/// overlaps, holes, trailing bytes. Memory: the tensors and the header, never the file twice.
///
/// Files that the engine wrote carry a checksum over every byte (metadata "engine.checksum"); it is
/// verified. Files of other programs have none and are read as they are; require_checksum refuses
/// them.
///
/// Tensors come in the order of their data. Throws Error (data).
std::vector<NamedTensor> read_safetensors(const std::string& path, Metadata* metadata = nullptr,
                                          bool require_checksum = false);

/// A tensor whose bytes somebody else keeps while it is written.
struct TensorRef {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> dims;
  std::span<const std::byte> bytes;
};
TensorRef refer(const NamedTensor& tensor, std::string_view prefix = {});

/// What a file will hold, without a copy of the data: the same tensors and metadata give the same
/// bytes, whatever their order. Tensors are sorted by size of element, then name.
struct SafetensorsFile {
  SafetensorsFile(std::vector<TensorRef> tensors, const Metadata& metadata);
  std::string header;    ///< with its length
  std::string checksum;  ///< XXH3-128 of the file with the checksum's own digits as zeros
  std::vector<TensorRef> tensors;
  std::vector<std::span<const std::byte>> pieces() const;
  uint64_t bytes() const;
};

/// Throws Error (storage); see save_file.
void write_safetensors(FileSystem& files, const std::string& path,
                       std::span<const NamedTensor> tensors, const Metadata& metadata = {},
                       const SaveOptions& options = {});

}  // namespace engine
