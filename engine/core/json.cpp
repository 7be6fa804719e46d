#include "engine/core/json.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "engine/core/json_scanner.h"

namespace engine {
namespace {

/// The parser's words for what it met or wanted, in those that this engine's messages use.
std::string token_words(std::string_view token, bool in_key) {
  if (token == "string literal") return in_key ? "a key in double quotes" : "a string";
  if (token == "number literal") return "a number";
  if (token == "end of input") return "the end of the file";
  if (token == "'[', '{', or a literal") return "a value";
  if (token == "'}'") return "\",\" or \"}\"";
  if (token == "']'") return "\",\" or \"]\"";
  return std::string(token);
}

/// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing
/// object - unexpected ']'; expected '}'" as "expected "," or "}", got ']'".
std::string plain_message(std::string_view what) {
  constexpr std::string_view kOverflow = "number overflow parsing ";
  if (const size_t number = what.find(kOverflow); number != what.npos)
    return fmt::format("expected a number that fits into 64 bits, got {}",
                       what.substr(number + kOverflow.size()));
  const auto cut_before = [&](std::string_view words) {
    const size_t at = what.find(words);
    if (at != what.npos) what.remove_prefix(at + words.size());
    return at != what.npos;
  };
  cut_before("while parsing ");
  const bool in_key = what.starts_with("object key");
  cut_before(" - ");
  std::string expected;
  if (const size_t at = what.rfind("; expected "); at != what.npos) {
    expected = token_words(what.substr(at + 11), in_key);
    what = what.substr(0, at);
  }
  if (const size_t at = what.find("; last read: "); at != what.npos) what = what.substr(0, at);
  if (what.starts_with("unexpected ")) {
    const std::string_view met = what.substr(11);
    return fmt::format("expected {}, got {}", expected,
                       met.starts_with('\'') ? std::string(met) : token_words(met, false));
  }
  if (expected.empty()) expected = "a value";
  if (what == "invalid literal")
    return fmt::format("expected {}, got what is none of JSON's words and signs", expected);
  return std::string(what);
}

/// Builds the Value tree from the parser's events. Keeps one frame for each open bracket.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, const std::string& file, Problems& problems, const Limits& limits,
          const std::vector<size_t>& starts)
      : text_(text),
        limits_(limits),
        problems_(problems),
        starts_(starts),
        positions_(text, file) {}

  bool null() override { return add({}); }
  bool boolean(bool v) override { return add(v); }
  bool number_integer(number_integer_t v) override { return add(static_cast<int64_t>(v)); }
  bool number_unsigned(number_unsigned_t v) override {
    if (v > static_cast<uint64_t>(INT64_MAX)) return add(static_cast<double>(v));
    return add(static_cast<int64_t>(v));
  }
  bool number_float(number_float_t v, const string_t&) override { return add(v); }
  bool string(string_t& v) override {
    if (!accept_string(v)) return false;
    return add(std::move(v));
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Object{}); }
  bool start_array(size_t) override { return open(Array{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& v) override {
    if (!accept_string(v)) return false;
    Frame& frame = frames_.back();
    frame.key_origin = next_origin();
    frame.key_is_new = frame.keys.insert(v).second;
    if (!frame.key_is_new)
      problems_.add(frame.key_origin, path() + v,
                    "duplicate key; the file has it twice in this object");
    frame.key = std::move(v);
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const std::string_view what = error.what();
    std::string message = plain_message(what);
    // Mistakes inside a token are at the last character read, others where the last token began.
    JsonScanner before(text_.substr(0, position), limits_);
    before.scan();
    const bool inside =
        what.find("invalid") != what.npos && what.find("invalid comment") == what.npos;
    size_t offset = inside && position > 0 ? position - 1 : before.last_token;
    if (what.find("unexpected end of input") != what.npos) offset = text_.size();
    const std::string_view last = text_.substr(std::min(before.last_token, text_.size()), 1);
    const size_t comma = text_.substr(0, before.last_token).find_last_not_of(" \t\r\n");
    if ((last == "}" || last == "]") && comma != text_.npos && text_[comma] == ',')
      message += fmt::format("; a comma may not stand before \"{}\"", last);
    problems_.add(positions_.origin(offset), "", "not valid JSON: " + message);
    return false;
  }

  Value root;

 private:
  struct Frame {
    Value container;
    std::string key;
    Origin key_origin;
    bool key_is_new = true;
    std::unordered_set<std::string> keys;
  };

  Origin next_origin() { return positions_.origin(next_ < starts_.size() ? starts_[next_++] : 0); }

  bool accept_string(const std::string& v) {
    if (v.find('\0') == v.npos) return true;
    problems_.add(next_origin(), path(), "expected a string without the character \\u0000");
    return false;
  }

  bool open(Value container) {
    if (!count()) return false;
    container.origin = next_origin();
    frames_.push_back({std::move(container), {}, {}, true, {}});
    return true;
  }

  bool close() {
    Value done = std::move(frames_.back().container);
    frames_.pop_back();
    place(std::move(done));
    return true;
  }

  bool add(Value v) {
    if (!count()) return false;
    v.origin = next_origin();
    place(std::move(v));
    return true;
  }

  bool count() {
    if (++count_ <= limits_.values) return true;
    problems_.add(next_origin(), "",
                  fmt::format("expected at most {} values in a file", limits_.values));
    return false;
  }

  void place(Value v) {
    if (frames_.empty()) {
      root = std::move(v);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.container.is(Value::Kind::array)) {
      frame.container.array().push_back(std::move(v));
    } else if (frame.key_is_new) {
      frame.container.object().push_back({std::move(frame.key), std::move(v), frame.key_origin});
    }
  }

  std::string path() const {
    std::string path;
    for (size_t i = 0; i + 1 < frames_.size(); ++i) {
      const Value& container = frames_[i].container;
      if (container.is(Value::Kind::array)) {
        if (!path.empty()) path.pop_back();  // the dot
        path += "[" + std::to_string(container.array().size()) + "].";
      } else {
        path += frames_[i].key + ".";
      }
    }
    return path;
  }

  std::string_view text_;
  const Limits& limits_;
  Problems& problems_;
  const std::vector<size_t>& starts_;
  TextPositions positions_;
  std::vector<Frame> frames_;
  size_t next_ = 0, count_ = 0;
};

}  // namespace

std::optional<Value> parse_json(std::string_view text, const std::string& file, Problems& problems,
                                const Limits& limits) {
  if (text.size() > limits.file_bytes) {
    problems.add(
        {file, 0, 0}, "",
        fmt::format("expected a file of at most {} bytes, got {}", limits.file_bytes, text.size()));
    return std::nullopt;
  }
  problems.remember_source(file, std::string(text));
  if (text.find_first_not_of(" \t\r\n") == text.npos) {
    problems.add({file, 1, 1}, "", "expected a JSON object, got an empty file");
    return std::nullopt;
  }
  JsonScanner scanner(text, limits);
  if (std::string problem = scanner.scan(); !problem.empty()) {
    problems.add(TextPositions(text, file).origin(scanner.error_at), "", problem);
    return std::nullopt;
  }
  Builder builder(text, file, problems, limits, scanner.starts);
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &builder,
                                                nlohmann::json::input_format_t::json,
                                                /*strict=*/true, /*ignore_comments=*/true);
  if (!parsed) return std::nullopt;
  return std::move(builder.root);
}

Value parse_json_or_throw(std::string_view text, const std::string& file, ExitCode code,
                          const Limits& limits) {
  Problems problems;
  std::optional<Value> value = parse_json(text, file, problems, limits);
  if (!problems.empty()) throw Error(code, problems.text());
  return std::move(*value);
}

std::string read_json_text(const std::string& file, const Limits& limits) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status))
    fail(ExitCode::experiment, "{}: expected a file, there is none of this name", file);
  if (std::filesystem::is_directory(status))
    fail(ExitCode::experiment, "{}: expected a file, got a folder", file);
  if (!std::filesystem::is_regular_file(status))
    fail(ExitCode::experiment, "{}: expected a regular file", file);
  const auto too_large = [&] {
    fail(ExitCode::experiment, "{}: expected a file of at most {} bytes", file, limits.file_bytes);
  };
  const auto bytes = std::filesystem::file_size(file, error);
  if (!error && bytes > limits.file_bytes) too_large();
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail(ExitCode::experiment, "{}: cannot be opened for reading", file);
  // Some files say that they are empty and are not (/proc): never read past the limit.
  std::string text;
  char buffer[1 << 14];
  while (stream.read(buffer, sizeof buffer) || stream.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(stream.gcount()));
    if (text.size() > limits.file_bytes) too_large();
  }
  if (stream.bad()) fail(ExitCode::experiment, "{}: cannot be read", file);
  return text;
}

std::string json_string(std::string_view text) {
  // Bytes that are not UTF-8 (a file's name, say) come out as U+FFFD instead of failing.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace engine
