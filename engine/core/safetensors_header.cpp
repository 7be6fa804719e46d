#include "engine/core/safetensors_header.h"

#include <array>
#include <unordered_set>
#include <utility>

#include "engine/core/utf8.h"

namespace engine::safetensors {
namespace {

constexpr std::array<std::pair<std::string_view, DType>, 7> kTypes{{{"F32", DType::f32},
                                                                    {"BF16", DType::bf16},
                                                                    {"U8", DType::u8},
                                                                    {"I32", DType::i32},
                                                                    {"F64", DType::f64},
                                                                    {"I64", DType::i64},
                                                                    {"F16", DType::f16}}};
constexpr size_t kMostTensors = 1u << 20;
constexpr size_t kMostDims = 16;

/// The format's JSON is two levels deep, so this reads it in one pass without a tree: a hostile
/// header cannot nest, and memory stays near the size of the text.
class Parser {
 public:
  Parser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  Header run() {
    if (text_.empty() || text_[0] != '{') bad("\"{\"");
    std::unordered_set<std::string> names;
    object([&](std::string name, size_t place) {
      if (!names.insert(name).second) refuse(place, "duplicate name \"{}\"", name);
      if (name == "__metadata__") {
        metadata();
      } else {
        if (header_.entries.size() == kMostTensors)
          refuse(place, "more than {} tensors", kMostTensors);
        entry(std::move(name), place);
      }
    });
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ != text_.size()) bad("spaces up to the end of the header");
    return std::move(header_);
  }

 private:
  template <class... Arguments>
  [[noreturn]] void refuse(size_t place, fmt::format_string<Arguments...> format,
                           Arguments&&... arguments) {
    fail(ExitCode::data, "{}: offset {}: {}", path_, 8 + place,
         fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  [[noreturn]] void bad(std::string_view expected) {
    refuse(at_, "damaged header: expected {}", expected);
  }

  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
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

  template <class Member>
  void object(const Member& member) {
    expect('{', "\"{\"");
    if (accept('}')) return;
    do {
      space();
      const size_t place = at_;
      std::string key = string();
      expect(':', "\":\"");
      member(std::move(key), place);
    } while (accept(','));
    expect('}', "\",\" or \"}\"");
  }

  uint32_t hex4() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) bad("four hexadecimal digits");
      code = code << 4 | static_cast<uint32_t>(digit);
      ++at_;
    }
    return code;
  }

  void escape(std::string& out) {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out.push_back(c);
        return;
      case 'b':
        out.push_back('\b');
        return;
      case 'f':
        out.push_back('\f');
        return;
      case 'n':
        out.push_back('\n');
        return;
      case 'r':
        out.push_back('\r');
        return;
      case 't':
        out.push_back('\t');
        return;
      case 'u':
        break;
      default:
        --at_;
        bad("a JSON escape");
    }
    uint32_t code = hex4();
    if (code >= 0xDC00 && code <= 0xDFFF) bad("the first half of a surrogate pair");
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (text_.substr(at_, 2) != "\\u") bad("the second half of a surrogate pair");
      at_ += 2;
      const uint32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) bad("the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
  }

  std::string string() {
    expect('"', "a string");
    std::string out;
    for (;;) {
      if (at_ >= text_.size()) bad("the end of a string");
      const auto c = static_cast<uint8_t>(text_[at_]);
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c < 0x20) bad("no control characters in a string");
      if (c == '\\') {
        ++at_;
        escape(out);
        continue;
      }
      const size_t length = utf8_length(text_, at_);
      if (length == 0) bad("UTF-8");
      out.append(text_, at_, length);
      at_ += length;
    }
  }

  uint64_t number() {
    space();
    const size_t start = at_;
    uint64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      const auto digit = static_cast<uint64_t>(text_[at_] - '0');
      if (value > (uint64_t{INT64_MAX} - digit) / 10) refuse(start, "a number over 2^63");
      value = value * 10 + digit;
      ++at_;
    }
    if (at_ == start || (text_[start] == '0' && at_ - start > 1)) {
      at_ = start;
      bad("an integer from 0");
    }
    return value;
  }

  template <class Each>
  void numbers(const Each& each) {
    expect('[', "\"[\"");
    if (accept(']')) return;
    do each(number());
    while (accept(','));
    expect(']', "\",\" or \"]\"");
  }

  void metadata() {
    std::unordered_set<std::string> keys;
    object([&](std::string key, size_t place) {
      if (!keys.insert(key).second) refuse(place, "duplicate metadata key \"{}\"", key);
      space();
      const size_t start = at_;
      std::string value = string();
      const bool is_checksum =
          value.starts_with(kChecksumPrefix) &&
          value.size() == kChecksumPrefix.size() + kChecksumDigits &&
          at_ - start == value.size() + 2;  // no escapes: digits lie as they are
      if (key == kChecksumKey && is_checksum) {
        header_.checksum = start + 1 + kChecksumPrefix.size();
      }
      // Either half of the pair shows whose file this is, so one flipped bit cannot hide it.
      if (key.starts_with("engine.") || is_checksum) header_.marked = true;
      header_.metadata.emplace_back(std::move(key), std::move(value));
    });
  }

  void entry(std::string name, size_t place) {
    Entry entry{std::move(name)};
    entry.place = 8 + place;
    std::string type;
    int offsets = 0;
    bool has_type = false, has_shape = false, has_offsets = false;
    const auto once = [&](bool& seen, size_t where) {
      if (std::exchange(seen, true)) refuse(where, "duplicate key in \"{}\"", entry.name);
    };
    object([&](const std::string& key, size_t where) {
      if (key == "dtype") {
        once(has_type, where);
        type = string();
      } else if (key == "shape") {
        once(has_shape, where);
        numbers([&](uint64_t dim) {
          if (entry.dims.size() == kMostDims) refuse(where, "more than {} dimensions", kMostDims);
          entry.dims.push_back(static_cast<int64_t>(dim));
        });
      } else if (key == "data_offsets") {
        once(has_offsets, where);
        numbers([&](uint64_t offset) { (offsets++ == 0 ? entry.begin : entry.end) = offset; });
      } else {
        refuse(where, "unknown key \"{}\" in \"{}\"", key, entry.name);
      }
    });
    if (!has_type || !has_shape || !has_offsets || offsets != 2) {
      refuse(place, "\"{}\": expected dtype, shape and data_offsets [begin, end]", entry.name);
    }
    check(entry, type, place);
    header_.entries.push_back(std::move(entry));
  }

  void check(Entry& entry, std::string_view type, size_t place) {
    bool known = false;
    for (const auto& [name, meaning] : kTypes) {
      if (name != type) continue;
      entry.dtype = meaning;
      known = true;
    }
    if (!known) {
      refuse(place, "\"{}\": dtype \"{}\" is not supported (F32, F64, F16, BF16, I32, I64, U8 are)",
             entry.name, type);
    }
    uint64_t bytes = size_of(entry.dtype);
    for (const int64_t dim : entry.dims) {
      if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes) || bytes > INT64_MAX) {
        refuse(place, "\"{}\": the shape overflows", entry.name);
      }
    }
    if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
      refuse(place, "\"{}\": data_offsets [{}, {}] do not hold the shape's {} bytes", entry.name,
             entry.begin, entry.end, bytes);
    }
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
  Header header_;
};

}  // namespace

Header parse(std::string_view text, const std::string& path) {
  return Parser(text, path).run();
}

std::string_view name_of(DType type) {
  for (const auto& [name, meaning] : kTypes) {
    if (meaning == type) return name;
  }
  return "?";
}

}  // namespace engine::safetensors
