#include "engine/core/npy.h"

#include <array>
#include <cstring>
#include <optional>

namespace engine {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// The header is a Python dictionary with three keys; NumPy writes it in one form, others vary the
/// order and the spaces.
class Dictionary {
 public:
  Dictionary(std::string_view text, const std::string& path, uint64_t start)
      : text_(text), path_(path), start_(start) {}

  void read(NamedTensor& tensor) {
    std::optional<std::string_view> type;
    std::optional<bool> fortran;
    std::optional<std::vector<int64_t>> shape;
    expect('{', "\"{\"");
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':', "\":\"");
      if (key == "descr" && !type) {
        type = string();
      } else if (key == "fortran_order" && !fortran) {
        fortran = boolean();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        bad("one each of descr, fortran_order and shape");
      }
      if (!accept(',')) {
        expect('}', "\",\" or \"}\"");
        break;
      }
    }
    space();
    if (at_ != text_.size()) bad("spaces up to the end of the header");
    if (!type || !fortran || !shape) bad("descr, fortran_order and shape");
    if (*fortran && shape->size() > 1) {
      fail(ExitCode::data, "{}: is in Fortran order; save it with numpy.ascontiguousarray", path_);
    }
    tensor.dtype = dtype(*type);
    tensor.dims = *shape;
  }

 private:
  [[noreturn]] void bad(std::string_view expected) {
    fail(ExitCode::data, "{}: offset {}: damaged .npy header: expected {}", path_, start_ + at_,
         expected);
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c, std::string_view expected) {
    if (!accept(c)) bad(expected);
  }
  std::string_view string() {
    space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') bad("a string");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) bad("the end of a string");
    const std::string_view result = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return result;
  }
  bool boolean() {
    space();
    for (const auto& [word, value] : {std::pair("True", true), std::pair("False", false)}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += std::strlen(word);
      return value;
    }
    bad("True or False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> dims;
    expect('(', "\"(\"");
    while (!accept(')')) {
      space();
      const size_t first = at_;
      int64_t value = 0;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
        if (value > (INT64_MAX - 9) / 10) bad("a smaller number");
        value = value * 10 + (text_[at_++] - '0');
      }
      if (at_ == first) bad("an integer from 0");
      if (dims.size() == 32) bad("at most 32 dimensions");
      dims.push_back(value);
      if (!accept(',')) {
        expect(')', "\",\" or \")\"");
        break;
      }
    }
    return dims;
  }
  DType dtype(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, DType>, 6> kTypes{{{"|u1", DType::u8},
                                                                        {"<u1", DType::u8},
                                                                        {"<f4", DType::f32},
                                                                        {"<f8", DType::f64},
                                                                        {"<i4", DType::i32},
                                                                        {"<i8", DType::i64}}};
    for (const auto& [known, type] : kTypes) {
      if (known == name) return type;
    }
    fail(ExitCode::data,
         "{}: has dtype '{}'; expected uint8, float32, float64, int32 or int64, little-endian",
         path_, name);
  }

  std::string_view text_;
  const std::string& path_;
  uint64_t start_;
  size_t at_ = 0;
};

}  // namespace

NamedTensor read_npy(const std::string& path) {
  InputFile file(path, ExitCode::data);
  std::array<char, 8> start{};
  if (file.size() < 10)
    fail(ExitCode::data, "{}: not a .npy file: only {} bytes long", path, file.size());
  file.read(start.data(), start.size());
  if (std::string_view(start.data(), kMagic.size()) != kMagic) {
    fail(ExitCode::data, "{}: offset 0: not a .npy file", path);
  }
  if (start[6] < 1 || start[6] > 3) {
    fail(ExitCode::data, "{}: offset 6: .npy version {}; expected 1, 2 or 3", path,
         static_cast<int>(static_cast<uint8_t>(start[6])));
  }
  uint32_t length = 0;
  file.read(&length, start[6] == 1 ? 2 : 4);
  if (length > file.size() - file.offset() || length > (1u << 20)) {
    fail(ExitCode::data, "{}: offset 8: a header of {} bytes in a file of {}", path, length,
         file.size());
  }
  std::string text(length, '\0');
  file.read(text.data(), length);

  NamedTensor tensor;
  Dictionary(text, path, file.offset() - length).read(tensor);
  uint64_t bytes = size_of(tensor.dtype);
  for (const int64_t dim : tensor.dims) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes)) bytes = UINT64_MAX;
    if (bytes == UINT64_MAX) fail(ExitCode::data, "{}: its shape overflows", path);
  }
  if (bytes != file.size() - file.offset()) {
    fail(ExitCode::data, "{}: offset {}: expected {} bytes of data for shape ({}), got {}", path,
         file.offset(), bytes, fmt::join(tensor.dims, ", "), file.size() - file.offset());
  }
  tensor.bytes.resize(bytes);
  file.read(tensor.bytes.data(), bytes);
  return tensor;
}

void write_npy(FileSystem& files, const std::string& path, std::span<const int64_t> dims,
               std::span<const float> values) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                   fmt::join(dims, ", "), dims.size() == 1 ? "," : "");
  // Data start at a multiple of 64; a line feed ends the header.
  header.append(64 - (kMagic.size() + 4 + header.size() + 1) % 64, ' ');
  header += '\n';
  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF),
            static_cast<char>(header.size() >> 8)};
  start += header;
  const std::array pieces{std::as_bytes(std::span(start)), std::as_bytes(values)};
  save_file(files, path, pieces, {.durable = false});
}

}  // namespace engine
