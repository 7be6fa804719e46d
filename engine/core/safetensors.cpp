#include "engine/core/safetensors.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/core/safetensors_header.h"

namespace engine {
namespace {

using namespace safetensors;

constexpr uint64_t kMostHeader = 100'000'000;  // as the reference implementation

class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
  void add(const void* data, size_t bytes) { XXH3_128bits_update(state_.get(), data, bytes); }
  std::string hex() const {
    const XXH128_hash_t digest = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

/// Length and header in one string; offset in it = offset in the file.
std::string read_header(InputFile& file) {
  uint64_t length = 0;
  if (file.size() < sizeof length + 2) {
    fail(ExitCode::data, "{}: not a safetensors file: only {} bytes long", file.path(),
         file.size());
  }
  file.read(&length, sizeof length);
  if (length < 2 || length > file.size() - sizeof length || length > kMostHeader) {
    fail(ExitCode::data,
         "{}: offset 0: not a safetensors file: a header of {} bytes in a file of {}", file.path(),
         length, file.size());
  }
  std::string header(sizeof length + length, '\0');
  std::memcpy(header.data(), &length, sizeof length);
  file.read(header.data() + sizeof length, length);
  return header;
}

/// In the order of the data; every byte belongs to exactly one tensor.
void check_layout(std::vector<Entry>& entries, uint64_t data_bytes, uint64_t data_start,
                  const std::string& path) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t end = 0;
  std::string_view before = "the start";
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      fail(ExitCode::data, "{}: offset {}: \"{}\" {} {}: its data begin at {}, expected {}", path,
           entry.place, entry.name, entry.begin < end ? "overlaps" : "leaves a hole after", before,
           data_start + entry.begin, data_start + end);
    }
    end = entry.end;
    before = entry.name;
  }
  if (end != data_bytes) {
    fail(ExitCode::data, "{}: offset {}: the tensors end here, the file {} bytes {}", path,
         data_start + end, end < data_bytes ? data_bytes - end : end - data_bytes,
         end < data_bytes ? "later" : "earlier (was it cut off?)");
  }
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

const std::string* find(const Metadata& metadata, std::string_view key) {
  for (const auto& [name, value] : metadata) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::vector<NamedTensor> read_safetensors(const std::string& path, Metadata* metadata,
                                          bool require_checksum) {
  InputFile file(path, ExitCode::data);
  std::string text = read_header(file);
  Header header = parse(std::string_view(text).substr(8), path);
  check_layout(header.entries, file.size() - text.size(), text.size(), path);
  if ((require_checksum || header.marked) && header.checksum == 0) {
    fail(ExitCode::data, "{}: damaged, or not written by the engine: its checksum is missing",
         path);
  }
  Hash hash;
  std::string stored;
  if (header.checksum != 0) {
    stored = text.substr(8 + header.checksum, kChecksumDigits);
    std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(8 + header.checksum), kChecksumDigits,
                '0');
    hash.add(text.data(), text.size());
  }
  std::string().swap(text);

  std::vector<NamedTensor> tensors;
  tensors.reserve(header.entries.size());
  for (Entry& entry : header.entries) {
    NamedTensor tensor{std::move(entry.name), entry.dtype, std::move(entry.dims), {}};
    tensor.bytes.resize(entry.end - entry.begin);
    file.read(tensor.bytes.data(), tensor.bytes.size());
    if (header.checksum != 0) hash.add(tensor.bytes.data(), tensor.bytes.size());
    tensors.push_back(std::move(tensor));
  }
  if (header.checksum != 0 && hash.hex() != stored) {
    fail(ExitCode::data, "{}: damaged: its checksum is {}, its content has {}", path, stored,
         hash.hex());
  }
  if (metadata) *metadata = std::move(header.metadata);
  return tensors;
}

TensorRef refer(const NamedTensor& tensor, std::string_view prefix) {
  return {std::string(prefix) + tensor.name, tensor.dtype, tensor.dims, tensor.bytes};
}

SafetensorsFile::SafetensorsFile(std::vector<TensorRef> refs, const Metadata& metadata)
    : tensors(std::move(refs)) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorRef& a, const TensorRef& b) {
    return std::pair(size_of(b.dtype), std::string_view(a.name)) <
           std::pair(size_of(a.dtype), std::string_view(b.name));
  });
  std::string json = fmt::format("{{\"__metadata__\":{{\"{}\":\"{}", kChecksumKey, kChecksumPrefix);
  const size_t digits = 8 + json.size();
  json.append(kChecksumDigits, '0');
  json += '"';
  for (const auto& [key, value] : metadata)
    json += fmt::format(",{}:{}", quoted(key), quoted(value));
  json += '}';
  uint64_t offset = 0;
  for (const TensorRef& tensor : tensors) {
    json += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        quoted(tensor.name), name_of(tensor.dtype), fmt::join(tensor.dims, ","),
                        offset, offset + tensor.bytes.size());
    offset += tensor.bytes.size();
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');  // data start at a multiple of 8

  const uint64_t length = json.size();
  header.resize(sizeof length);
  std::memcpy(header.data(), &length, sizeof length);
  header += json;
  Hash hash;
  hash.add(header.data(), header.size());
  for (const TensorRef& tensor : tensors) hash.add(tensor.bytes.data(), tensor.bytes.size());
  checksum = hash.hex();
  header.replace(digits, kChecksumDigits, checksum);
}

std::vector<std::span<const std::byte>> SafetensorsFile::pieces() const {
  std::vector<std::span<const std::byte>> result{std::as_bytes(std::span(header))};
  for (const TensorRef& tensor : tensors) result.push_back(tensor.bytes);
  return result;
}

uint64_t SafetensorsFile::bytes() const {
  uint64_t total = header.size();
  for (const TensorRef& tensor : tensors) total += tensor.bytes.size();
  return total;
}

void write_safetensors(FileSystem& files, const std::string& path,
                       std::span<const NamedTensor> tensors, const Metadata& metadata,
                       const SaveOptions& options) {
  std::vector<TensorRef> refs;
  for (const NamedTensor& tensor : tensors) refs.push_back(refer(tensor));
  save_file(files, path, SafetensorsFile(std::move(refs), metadata).pieces(), options);
}

}  // namespace engine
