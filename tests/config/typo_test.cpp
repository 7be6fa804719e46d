// Misspelt keys: every known key with every single-letter typo, and many with two.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "engine/core/keys_reader.h"
#include "engine/run/experiment_parts.h"
#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

/// An object of experiment files: how it is read, and its keys.
struct ObjectKind {
  std::string label;
  std::function<void(ReadKeys&)> read;
  std::vector<std::string> keys;
};

ObjectKind make_kind(std::string label, const std::vector<std::string_view>& head,
                     const std::function<void(Keys&)>& keys) {
  ObjectKind kind{std::move(label), {}, {}};
  DescribeKeys describe;
  keys(describe);
  for (std::string_view key : head) kind.keys.emplace_back(key);
  for (const KeyDescription& key : describe.keys) kind.keys.push_back(key.key);
  kind.read = [head, keys](ReadKeys& reader) {
    for (std::string_view key : head) reader.take(key);
    keys(reader);
  };
  return kind;
}

std::vector<ObjectKind> all_kinds() {
  std::vector<ObjectKind> kinds;
  kinds.push_back(make_kind("experiment", {"$schema", "extends"}, [](Keys& k) {
    static Experiment experiment;
    experiment_keys(k, experiment);
  }));
  kinds.push_back(make_kind("data", {}, [](Keys& k) { DataConfig().keys(k); }));
  kinds.push_back(make_kind("train", {}, [](Keys& k) { TrainConfig().keys(k); }));
  kinds.push_back(make_kind("schedule", {}, [](Keys& k) { Schedule().keys(k); }));
  kinds.push_back(make_kind("early_stopping", {}, [](Keys& k) { EarlyStopping().keys(k); }));
  kinds.push_back(make_kind("checkpoint", {}, [](Keys& k) { CheckpointConfig().keys(k); }));
  for (const StageEntry& entry : registry().stages)
    kinds.push_back(make_kind(std::string(entry.name), {"op", "name"},
                              [&entry](Keys& k) { entry.make()->keys(k); }));
  for (const OpEntry& entry : registry().ops)
    kinds.push_back(make_kind(std::string(entry.name), {"name", "op", "block", "input", "inputs"},
                              [&entry](Keys& k) { entry.make()->keys(k); }));
  for (const OptimizerEntry& entry : registry().optimizers)
    kinds.push_back(
        make_kind(std::string(entry.name), {"type"}, [&entry](Keys& k) { entry.make()->keys(k); }));
  return kinds;
}

/// Edits between two words (letters added, left out, changed, neighbours swapped): the textbook
/// recursion. Stops caring above 2.
size_t edits(std::string_view a, std::string_view b, size_t budget = 2) {
  while (!a.empty() && !b.empty() && a[0] == b[0]) {
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() || b.empty()) return a.size() + b.size();
  if (budget == 0) return 1;
  size_t best = edits(a.substr(1), b.substr(1), budget - 1);
  best = std::min({best, edits(a.substr(1), b, budget - 1), edits(a, b.substr(1), budget - 1)});
  if (a.size() > 1 && b.size() > 1 && a[0] == b[1] && a[1] == b[0])
    best = std::min(best, edits(a.substr(2), b.substr(2), budget - 1));
  return best + 1;
}

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_0123456789";

std::vector<std::string> typos(const std::string& word) {
  std::vector<std::string> all;
  for (size_t i = 0; i <= word.size(); ++i) {
    for (char c : kLetters) {
      all.push_back(word.substr(0, i) + c + word.substr(i));
      if (i < word.size()) all.push_back(word.substr(0, i) + c + word.substr(i + 1));
    }
    if (i < word.size()) all.push_back(word.substr(0, i) + word.substr(i + 1));
    if (i + 1 < word.size()) {
      std::string swapped = word;
      std::swap(swapped[i], swapped[i + 1]);
      all.push_back(swapped);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

/// What reading says about an object that has only this key.
std::string say(const ObjectKind& kind, const std::string& typo) {
  Problems problems;
  Value object = Object{};
  Value any = 1;
  any.origin = {"f", 1, 1};
  object.object().push_back({typo, any, {"f", 1, 1}});
  object.origin = {"f", 2, 1};  // so that missing keys come after
  ReadKeys reader(object, "", problems);
  kind.read(reader);
  reader.finish();
  const std::string text = problems.text();
  return text.substr(0, text.find('\n'));
}

bool is_key(const ObjectKind& kind, const std::string& word) {
  return std::find(kind.keys.begin(), kind.keys.end(), word) != kind.keys.end();
}

TEST(Typos, OneLetter) {
  size_t count = 0, ambiguous = 0;
  for (const ObjectKind& kind : all_kinds()) {
    for (const std::string& key : kind.keys) {
      for (const std::string& typo : typos(key)) {
        if (is_key(kind, typo)) continue;
        const bool other = std::any_of(kind.keys.begin(), kind.keys.end(), [&](const auto& k) {
          return k != key && edits(typo, k) <= 1;
        });
        if (other) {
          ++ambiguous;
          continue;
        }
        ++count;
        ASSERT_EQ(say(kind, typo),
                  "f:1:1: " + typo + ": unknown key; did you mean \"" + key + "\"?")
            << kind.label;
      }
    }
  }
  EXPECT_GT(count, 50'000u);
  EXPECT_LT(ambiguous, count / 20);
}

TEST(Typos, UpToTwoLetters) {
  std::mt19937 random(3);
  const std::vector<ObjectKind> kinds = all_kinds();
  size_t count = 0, right = 0;
  std::string wrong;
  while (count < 5000) {
    const ObjectKind& kind = kinds[random() % kinds.size()];
    const std::string& key = kind.keys[random() % kind.keys.size()];
    std::string typo = key;
    for (int i = 0; i < 2; ++i) {
      const std::vector<std::string> all = typos(typo);
      typo = all[random() % all.size()];
    }
    // Two typos in a word of three letters leave nothing that anybody could recognise.
    if (key.size() < 4 || is_key(kind, typo)) continue;
    ++count;
    if (say(kind, typo).ends_with("did you mean \"" + key + "\"?")) {
      ++right;
    } else {
      wrong += kind.label + " " + key + ": " + say(kind, typo) + "\n";
    }
  }
  EXPECT_GE(static_cast<double>(right), 0.95 * static_cast<double>(count)) << wrong;
}

TEST(Typos, NamesOfOpsStagesAndOptimizers) {
  const auto check = [](const std::vector<std::string_view>& names) {
    for (std::string_view name : names)
      for (const std::string& typo : typos(std::string(name))) {
        const auto other = std::count_if(names.begin(), names.end(),
                                         [&](std::string_view n) { return edits(typo, n) <= 1; });
        if (other == 1 && std::find(names.begin(), names.end(), typo) == names.end()) {
          ASSERT_EQ(nearest(typo, names), name) << typo;
        }
      }
  };
  check(stage_ops(registry()));
  check(optimizer_types(registry()));
  std::vector<std::string_view> ops;
  for (const OpEntry& entry : registry().ops) ops.push_back(entry.name);
  check(ops);
}

TEST(Typos, NothingIsSuggestedForWhatIsFar) {
  EXPECT_EQ(nearest("colour", {"name", "seed", "data"}), "");
  EXPECT_EQ(nearest("x", {"op"}), "");
  EXPECT_EQ(nearest(std::string(100'000, 'a'), {"name"}), "");
  EXPECT_EQ(nearest("Batch-Size", {"epochs", "batch_size"}), "batch_size");
}

}  // namespace
}  // namespace engine::test
