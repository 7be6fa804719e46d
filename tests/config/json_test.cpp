// JSON text to Value and back: places, limits, hostile text.

#include "engine/core/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <random>

#include "engine/core/limits.h"
#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

/// What parsing complains about; empty when nothing.
std::string complaint(std::string_view text, const Limits& limits = kLimits) {
  Problems problems;
  const auto value = parse_json(text, "t", problems, limits);
  EXPECT_TRUE(value || !problems.empty());
  return problems.text();
}

Value parse(std::string_view text) {
  return parse_json_or_throw(text, "t", ExitCode::experiment);
}

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Json, EveryValueAndKeyKnowsItsPlace) {
  const Value root = parse(
      "\xEF\xBB\xBF// comment\r\n{ \"a\": 1,\n  /* \"b\": [\n */ \"ü\": [ true, {\"c\" : \"x//y\"} "
      "],\r"
      "\t\"d\":-2.5e3}");
  EXPECT_EQ(to_string(root.origin), "t:2:1");
  EXPECT_EQ(to_string(root.find("a")->origin), "t:2:8");
  EXPECT_EQ(to_string(root.object()[1].origin), "t:4:5");
  const Value& list = *root.find("ü");
  EXPECT_EQ(to_string(list.origin), "t:4:10");
  EXPECT_EQ(to_string(list.array()[0].origin), "t:4:12");
  EXPECT_EQ(to_string(list.array()[1].origin), "t:4:18");
  EXPECT_EQ(to_string(list.array()[1].find("c")->origin), "t:4:25");
  EXPECT_EQ(to_string(root.object()[2].origin), "t:5:2");
  EXPECT_EQ(to_string(root.find("d")->origin), "t:5:6");
  EXPECT_EQ(root.find("d")->number(), -2500.0);
}

TEST(Json, KindsOfNumbers) {
  EXPECT_EQ(parse("9223372036854775807").integer(), INT64_MAX);
  EXPECT_EQ(parse("-9223372036854775808").integer(), INT64_MIN);
  EXPECT_EQ(parse("9223372036854775808").number(), 9223372036854775808.0);
  EXPECT_EQ(parse("-0").integer(), 0);
  EXPECT_TRUE(std::signbit(parse("-0.0").number()));
  EXPECT_EQ(parse("1e-400").number(), 0.0);
  EXPECT_EQ(parse("5e-324").number(), 5e-324);
}

TEST(Json, NumbersReadBackBitForBit) {
  std::mt19937_64 bits(1);
  std::vector<double> numbers = {0.0,
                                 -0.0,
                                 1.0,
                                 0.1,
                                 1e-7,
                                 1e22,
                                 1e300,
                                 5e-324,
                                 2.0 / 3,
                                 123456789.125,
                                 1.7976931348623157e308};
  while (numbers.size() < 20'000) {
    const double v = std::bit_cast<double>(bits());
    if (std::isfinite(v)) numbers.push_back(v);
  }
  for (double v : numbers) {
    const Value back = parse(to_json(Value(v)));
    ASSERT_TRUE(back.is(Value::Kind::number)) << to_json(Value(v));  // and not an integer
    ASSERT_EQ(std::bit_cast<uint64_t>(back.number()), std::bit_cast<uint64_t>(v));
  }
  for (int64_t v : {INT64_MIN, INT64_MAX, int64_t{0}}) EXPECT_EQ(parse(to_json(v)).integer(), v);
}

TEST(Json, StringsReadBack) {
  std::string all;
  for (int c = 1; c < 128; ++c) all += static_cast<char>(c);
  all += "é€😀";
  EXPECT_EQ(parse(to_json(Value(all))).string(), all);
  for (unsigned char c : to_json(Value(all))) EXPECT_GE(c, 0x20) << "control bytes are escaped";
  EXPECT_EQ(to_json(Value("\xFF")), "\"\xEF\xBF\xBD\"") << "bytes that are no UTF-8 are replaced";
}

TEST(Json, Layout) {
  const Value value = parse("{\"a\":[1,2.0,\"x\"],\"b\":{\"c\":[{}, []]},\"d\":null}");
  EXPECT_EQ(to_json(value, -1), "{\"a\":[1,2.0,\"x\"],\"b\":{\"c\":[{},[]]},\"d\":null}");
  EXPECT_EQ(to_json(value),
            "{\n  \"a\": [1, 2.0, \"x\"],\n  \"b\": {\n    \"c\": [\n      {},\n      []\n    ]\n  "
            "},\n  \"d\": null\n}");
}

TEST(Json, HostileTextsGiveAnErrorAndNoMore) {
  const std::string deep = repeat("[", 100'000);
  const std::pair<const char*, std::string> texts[] = {
      {"empty", ""},
      {"blank", " \n\t\r "},
      {"only a byte order mark", "\xEF\xBB\xBF"},
      {"only a comment", "// nothing\n"},
      {"UTF-16", std::string("\xFF\xFE{\0}\0", 6)},
      {"brackets", deep},
      {"brackets that close", deep + repeat("]", 100'000)},
      {"objects in objects", repeat("{\"a\":", 100'000)},
      {"NUL at the start", std::string("\0{}", 3)},
      {"NUL after the end", std::string("{}\0", 3)},
      {"NUL in a string", std::string("{\"a\0b\":1}", 9)},
      {"NUL in a comment", std::string("{}//\0", 5)},
      {"NaN", "NaN"},
      {"Infinity", "-Infinity"},
      {"1e400", "1e400"},
      {"-1e400", "-1e400"},
      {"a lone surrogate", "\"\\uD800\""},
      {"a lone low surrogate", "\"\\uDFFF\""},
      {"surrogates in bytes", "\"\xED\xA0\x80\""},
      {"overlong bytes", "\"\xC0\xAF\""},
      {"half a character", "\"\xE2\x82"},
      {"a byte too many", "\"\x80\""},
      {"a backslash at the end", "\"\\"},
      {"half an escape", "\"\\u12"},
      {"a minus", "-"},
      {"a slash", "/"},
      {"a comment that does not end", "/*"},
      {"closing brackets", "]]]]"},
      {"colons", "::::"},
      {"commas", repeat(",", 100'000)},
      {"a number of 70,000 digits", repeat("9", 70'000)},
      {"a string of 70,000 letters", "\"" + repeat("a", 70'000) + "\""},
      {"a key of 70,000 letters", "{\"" + repeat("a", 70'000) + "\":1}"},
      {"a million keys", "{" + repeat("\"a\":1,", 400'000) + "\"b\":1}"},
  };
  for (const auto& [what, text] : texts) EXPECT_NE(complaint(text), "") << what;
  EXPECT_EQ(complaint("\xEF\xBB\xBF{}"), "") << "a byte order mark before a document is fine";
  EXPECT_EQ(complaint("{\r\n}\r\n"), "");
}

TEST(Json, CutAndChangedTextsNeverCrash) {
  const std::string text = read_file(source_dir() / "experiments/gray.json");
  for (size_t length = 0; length < text.size(); length += 3) complaint(text.substr(0, length));
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = text;
    for (int edit = 0; edit < 4; ++edit)
      changed[random() % changed.size()] = static_cast<char>(random() % 256);
    complaint(changed);
  }
}

/// A limit holds at n - 1 and n, and is an error at n + 1.
void expect_limit(size_t limit, const std::function<std::string(size_t)>& text,
                  const Limits& limits, std::string_view words) {
  EXPECT_EQ(complaint(text(limit - 1), limits), "");
  EXPECT_EQ(complaint(text(limit), limits), "");
  EXPECT_NE(complaint(text(limit + 1), limits).find(words), std::string::npos)
      << complaint(text(limit + 1), limits);
}

TEST(JsonLimits, Depth) {
  expect_limit(
      kLimits.depth, [](size_t n) { return repeat("[", n) + repeat("]", n); }, kLimits,
      "expected at most 64 levels of brackets");
}
TEST(JsonLimits, StringBytes) {
  expect_limit(
      kLimits.string_bytes, [](size_t n) { return "\"" + repeat("a", n) + "\""; }, kLimits,
      "expected a string of at most 65536 bytes, got 65537");
  expect_limit(
      kLimits.string_bytes, [](size_t n) { return "{\"" + repeat("a", n) + "\":1}"; }, kLimits,
      "expected a string of at most 65536 bytes, got 65537");
}
TEST(JsonLimits, Values) {
  // The array is a value too.
  expect_limit(
      kLimits.values, [](size_t n) { return "[1" + repeat(",1", n - 2) + "]"; }, kLimits,
      "expected at most 100000 values");
}
TEST(JsonLimits, ValuesWithKeys) {
  const auto object = [](size_t n) {
    std::string text = "{\"k0\":1";
    for (size_t i = 1; i + 1 < n; ++i) text += ",\"k" + std::to_string(i) + "\":1";
    return text + "}";
  };
  expect_limit(kLimits.values, object, kLimits, "expected at most 100000 values");
}
TEST(JsonLimits, FileBytes) {
  expect_limit(
      kLimits.file_bytes, [](size_t n) { return "[]" + repeat(" ", n - 2); }, kLimits,
      "expected a file of at most 4194304 bytes, got 4194305");
  ExperimentFiles files;
  files.write("large.json", "{}" + repeat(" ", kLimits.file_bytes - 1));
  EXPECT_NE(files.complaint("large.json").find("expected a file of at most 4194304 bytes"),
            std::string::npos);
}
TEST(JsonLimits, Messages) {
  std::string text = "{\"a\":1";
  for (size_t i = 0; i < kLimits.messages + 5; ++i) text += ",\n\"a\":1";
  const std::string message = complaint(text + "}");
  EXPECT_TRUE(message.ends_with("\n... and 5 more")) << message.substr(message.size() - 80);
}

TEST(JsonFiles, WhatIsNoFileIsSaid) {
  ExperimentFiles files;
  EXPECT_EQ(files.complaint("none.json"), "none.json: expected a file, there is none of this name");
  std::filesystem::create_directory(files.path("folder.json"));
  EXPECT_EQ(files.complaint("folder.json"), "folder.json: expected a file, got a folder");
  files.write("empty.json", "");
  EXPECT_EQ(files.complaint("empty.json"),
            "empty.json:1:1: expected a JSON object, got an empty file\n    \n    ^");
  EXPECT_THROW(read_json_text("/dev/zero"), Error) << "not a regular file";
  std::filesystem::create_symlink("loop.json", files.path("loop.json"));
  EXPECT_NE(files.complaint("loop.json"), "");
}

}  // namespace
}  // namespace engine::test
