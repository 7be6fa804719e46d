// Choosing and remembering convolution plans, with made-up engines and times.

#include "engine/cuda/plan_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "engine/core/file.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

/// Engines with the times that they take; those without one cannot be timed.
class MadeUp : public EngineTimer {
 public:
  std::vector<std::string> order;
  std::map<std::string, std::optional<double>> times;  ///< of engines that can be made
  std::vector<std::string> made, timed;

  std::vector<std::string> engines() override { return order; }
  bool make(const std::string& engine) override {
    if (!times.contains(engine)) return false;
    made.push_back(engine);
    return true;
  }
  std::optional<double> time(const std::string& engine) override {
    timed.push_back(engine);
    return times.at(engine);
  }
};

MadeUp three() {
  MadeUp timer;
  timer.order = {"broken", "slow", "slow", "fast", "middle"};
  timer.times = {{"slow", 3.0}, {"fast", 1.0}, {"middle", 2.0}};
  return timer;
}

class Plans : public testing::Test {
 protected:
  PlanCache cache() {
    return {path_, [this](const std::string& line) { notes_.push_back(line); }};
  }
  TemporaryFolder folder_;
  std::string path_ = folder_ / "cache/engine/plans.json";
  std::vector<std::string> notes_;
};

TEST_F(Plans, TheFastestIsChosenAndASecondStartTimesNothing) {
  PlanCache first = cache();
  MadeUp timer = three();
  EXPECT_EQ(choose_engine(first, "key", timer), "fast");
  EXPECT_EQ(timer.timed, (std::vector<std::string>{"slow", "fast", "middle"}));

  PlanCache second = cache();
  MadeUp again = three();
  EXPECT_EQ(choose_engine(second, "key", again), "fast");
  EXPECT_EQ(again.made, std::vector<std::string>{"fast"});
  EXPECT_TRUE(again.timed.empty());
  EXPECT_TRUE(notes_.empty());
}

TEST_F(Plans, AnotherKeyIsTimedAnew) {
  PlanCache plans = cache();
  MadeUp timer = three();
  choose_engine(plans, "one", timer);
  choose_engine(plans, "two", timer);
  EXPECT_EQ(timer.timed.size(), 6u);
}

TEST_F(Plans, EightAreTimedAndNoMore) {
  PlanCache plans = cache();
  MadeUp timer;
  for (int i = 0; i < 20; ++i) {
    timer.order.push_back(fmt::format("eng{}", i));
    timer.times[timer.order.back()] = 100 - i;
  }
  EXPECT_EQ(choose_engine(plans, "key", timer), "eng7");
  EXPECT_EQ(timer.timed.size(), 8u);
}

TEST_F(Plans, WithoutATimeTheFirstIsTakenAndNotRemembered) {
  PlanCache plans = cache();
  MadeUp timer = three();
  for (auto& [engine, time] : timer.times) time.reset();
  EXPECT_EQ(choose_engine(plans, "key", timer), "slow");
  EXPECT_EQ(plans.find("key"), nullptr);
  EXPECT_FALSE(exists(path_));
}

TEST_F(Plans, NoEngineIsNoName) {
  PlanCache plans = cache();
  MadeUp timer = three();
  timer.times.clear();
  EXPECT_EQ(choose_engine(plans, "key", timer), "");
}

TEST_F(Plans, ARememberedEngineThatCannotBeMadeIsReplaced) {
  PlanCache plans = cache();
  plans.remember("key", "gone", 0.5);
  MadeUp timer = three();
  EXPECT_EQ(choose_engine(plans, "key", timer), "fast");
  PlanCache after = cache();
  EXPECT_EQ(*after.find("key"), "fast");
}

TEST_F(Plans, ADamagedOrForeignFileIsReplacedWithANote) {
  for (const char* text :
       {"{ \"version\": 1, \"plans\": {", "[]", "{\"version\": 2, \"plans\": {}}",
        "{\"version\": 1, \"plans\": {\"key\": {\"engine\": 5}}}", ""}) {
    notes_.clear();
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
    std::ofstream(path_) << text;
    PlanCache plans = cache();
    EXPECT_EQ(plans.find("key"), nullptr) << text;
    ASSERT_EQ(notes_.size(), 1u) << text;
    EXPECT_EQ(notes_[0].find('\n'), std::string::npos);
    EXPECT_NE(notes_[0].find(path_), std::string::npos) << notes_[0];
    plans.remember("key", "eng1", 1);
    EXPECT_EQ(notes_.size(), 1u) << text;
    PlanCache after = cache();
    ASSERT_NE(after.find("key"), nullptr) << text;
    EXPECT_EQ(*after.find("key"), "eng1");
  }
}

TEST_F(Plans, TwoWritersKeepEachOthersPlans) {
  PlanCache one = cache(), two = cache();
  EXPECT_EQ(one.find("a"), nullptr);  // both have read the file that is not there
  EXPECT_EQ(two.find("a"), nullptr);
  one.remember("a", "eng1", 1);
  two.remember("b", "eng2", 1);
  one.remember("c", "eng3", 1);
  PlanCache after = cache();
  for (const char* key : {"a", "b", "c"}) EXPECT_NE(after.find(key), nullptr) << key;
}

TEST_F(Plans, OfTwoWritersTheFirstWinsForBoth) {
  PlanCache one = cache(), two = cache();
  EXPECT_EQ(two.find("key"), nullptr);
  one.remember("key", "middle", 1);
  MadeUp timer = three();
  EXPECT_EQ(choose_engine(two, "key", timer), "middle");
}

TEST_F(Plans, AFolderThatCannotBeWrittenIsSaidOnce) {
  std::ofstream(folder_ / "cache") << "a file where a folder should be";
  PlanCache plans = cache();
  plans.remember("a", "eng1", 1);
  plans.remember("b", "eng2", 1);
  EXPECT_EQ(notes_.size(), 1u);
  EXPECT_EQ(*plans.find("a"), "eng1");
  EXPECT_EQ(*plans.find("b"), "eng2");
}

TEST_F(Plans, EverythingThatCountsIsInTheKey) {
  ConvolutionShape shape{.input = {32, 8, 8, 16}, .output = {32, 8, 8, 4}};
  std::set<std::string> keys;
  const auto add = [&](const ConvolutionShape& of, const char* gpu = "GPU",
                       const char* library = "cuDNN 9.19.0") {
    EXPECT_TRUE(keys.insert(plan_key(of, ConvolutionPass::forward, gpu, library)).second);
  };
  add(shape);
  add(shape, "another GPU");
  add(shape, "GPU", "cuDNN 9.20.0");
  const auto changed = [&](auto change) {
    ConvolutionShape other = shape;
    change(other);
    add(other);
  };
  changed([](auto& s) { s.input.n = s.output.n = 33; });
  changed([](auto& s) { s.output.c = 5; });
  changed([](auto& s) { s.window.kernel_w = 3; });
  changed([](auto& s) { s.window.stride_h = 2; });
  changed([](auto& s) { s.window.dilation_h = 2; });
  changed([](auto& s) { s.window.padding.left = 1; });
  changed([](auto& s) { s.window.padding.right = 1; });
  changed([](auto& s) { s.groups = 2; });
  changed([](auto& s) { s.x_pitch = 32; });
  changed([](auto& s) { s.y_pitch = 32; });
  changed([](auto& s) { s.bias = true; });
  changed([](auto& s) { s.relu = true; });
  changed([](auto& s) { s.precision = Precision::tf32; });
  changed([](auto& s) { s.precision = Precision::bf16; });
  EXPECT_TRUE(
      keys.insert(plan_key(shape, ConvolutionPass::backward_data, "GPU", "cuDNN 9.19.0")).second);
}

TEST(TakeTurns, GivesEachListItsTurn) {
  EXPECT_EQ(take_turns({{"a", "b", "c"}, {}, {"d"}, {"e", "f"}}),
            (std::vector<std::string>{"a", "d", "e", "b", "f", "c"}));
}

}  // namespace
}  // namespace engine::test
