// Mutated experiment files: each either loads, and then resolves to itself, or gives an error that
// says where; never a crash, never a hang. ENGINE_LONG_TESTS=1 tries a million.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>

#include "engine/core/json.h"
#include "engine/graph/graph.h"
#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, uint32_t seed)
      : seeds_(std::move(seeds)), random_(seed) {}

  std::string next() {
    std::string text = seeds_[below(seeds_.size())];
    for (size_t edits = 1 + below(3); edits > 0; --edits) mutate(text);
    return text;
  }

 private:
  size_t below(size_t count) { return random_() % count; }

  /// Begin and length of a random token: a string, a number, a word or a bracket.
  std::pair<size_t, size_t> token(const std::string& text) {
    const size_t from = below(text.size());
    const size_t begin = text.find_first_of(below(8) ? "\"0123456789" : "[]{},:", from);
    if (begin == text.npos) return {from, 1};
    size_t end = begin + 1;
    if (text[begin] == '"') {
      end = text.find('"', end);
      end = end == text.npos ? text.size() : end + 1;
    } else if (std::string_view("[]{},:").find(text[begin]) == std::string_view::npos) {
      end = std::min(text.find_first_of(" ,:[]{}\n", end), text.size());
    }
    return {begin, end - begin};
  }

  void mutate(std::string& text) {
    static const char* const kPieces[] = {"0",
                                          "-1",
                                          "1",
                                          "65536",
                                          "65537",
                                          "1e308",
                                          "-1e-308",
                                          "9223372036854775807",
                                          "null",
                                          "true",
                                          "[]",
                                          "{}",
                                          "\"\"",
                                          "\"$c1\"",
                                          "\"$\"",
                                          "\"$input\"",
                                          "[1, 2]",
                                          "[[1]]",
                                          "\"same\"",
                                          "\"valid\"",
                                          "\"op\"",
                                          "\"name\"",
                                          "\"block\"",
                                          "\"inputs\"",
                                          "\"$input2\"",
                                          "\"conv2d\"",
                                          "\"add\"",
                                          "\"dense\"",
                                          "\"classes\"",
                                          "{\"op\": \"flatten\"}",
                                          "\"inception\"",
                                          "\"residual\"",
                                          "\"every_epoch\"",
                                          "\"\\u0000\"",
                                          "\"\\ud800\"",
                                          "//",
                                          "/*",
                                          "\"extends\": \"/etc/passwd\",",
                                          "3.5",
                                          "[0, 0, 0, 0]"};
    if (text.empty()) text = "{}";
    const auto [begin, length] = token(text);
    switch (below(10)) {
      case 0:
        text.replace(begin, length, kPieces[below(std::size(kPieces))]);
        return;
      case 1:
        text.erase(begin, length);
        return;
      case 2: {  // another token of the same text
        const auto [other, size] = token(text);
        text.replace(begin, length, text.substr(other, size));
        return;
      }
      case 3:  // a number like it
        if (text[begin] >= '0' && text[begin] <= '9')
          text[begin] = static_cast<char>('0' + below(10));
        return;
      case 4:  // a longer piece again, somewhere else
        text.insert(below(text.size()), text.substr(begin, below(120)));
        return;
      case 5:
        text[below(text.size())] = static_cast<char>(below(256));
        return;
      default:  // a value; keys are left alone
        if (text.substr(begin + length, 1) != ":")
          text.replace(begin, length, kPieces[below(std::size(kPieces))]);
    }
  }

  std::vector<std::string> seeds_;
  std::mt19937 random_;
};

/// Loads a text and builds its graph. Returns whether it was right.
bool try_text(const std::string& text) {
  const std::string document = "{" + text.substr(std::min<size_t>(1, text.size()));
  try {
    const Experiment e = load_text(document);
    EXPECT_EQ(to_json(load_text(to_json(e.resolved)).resolved), to_json(e.resolved)) << document;
    Shape image{1, e.data.size.h, e.data.size.w, e.data.channels};
    for (const auto& stage : e.preprocess) image = stage->infer(image);
    build_graph(e.network, image, {.classes = 10}, registry(), {.batch = 32, .training = true});
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::experiment) << error.what() << "\n" << document;
    EXPECT_STRNE(error.what(), "");
    return false;
  }
}

/// A file's text without its first comment lines: load_experiment takes "{..." for a text.
std::string seed_text(std::string_view name) {
  const std::string text = read_file(source_dir() / name);
  return text.substr(text.find("{\n"));
}

void run(int count, uint32_t seed) {
  Mutator mutator({seed_text("experiments/quickstart.json"), seed_text("experiments/residual.json"),
                   seed_text("tests/config/bad/base.json")},
                  seed);
  int right = 0;
  for (int i = 0; i < count && !testing::Test::HasFailure(); ++i) {
    const std::string text = mutator.next();
    const auto start = std::chrono::steady_clock::now();
    right += try_text(text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << text;
  }
  // Some mutants are right, and most are not; otherwise this tests nothing.
  EXPECT_GT(right, count / 50);
  EXPECT_LT(right, count * 9 / 10);
}

TEST(Fuzz, MutatedExperiments) {
  run(4'000, 1);
}

TEST(Fuzz, AMillionMutatedExperiments) {
  if (!std::getenv("ENGINE_LONG_TESTS")) GTEST_SKIP() << "takes minutes: set ENGINE_LONG_TESTS=1";
  run(1'000'000, 2);
}

}  // namespace
}  // namespace engine::test
