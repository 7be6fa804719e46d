// kill -9 at random moments.

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/run/training_child.h"

namespace engine {
namespace {

using test::FastFolder;
using test::Job;

TEST(Kill, AtAnyMomentARunResumesToTheSameBytes) {
  const std::vector<std::string> set{"train.checkpoint.every_steps=1", "train.epochs=6"};
  std::map<std::string, std::string> expected;
  auto whole = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 3; ++i) {
    const FastFolder folder;
    const auto start = std::chrono::steady_clock::now();
    ASSERT_EQ(test::run({.folder = folder / "", .set = set}), 0) << read_text(folder / "err.txt");
    whole = std::min(whole, std::chrono::steady_clock::now() - start);
    if (i > 0) {
      ASSERT_EQ(test::fingerprints(folder / "run"), expected);
    }
    expected = test::fingerprints(folder / "run");
  }
  const int wanted = 200;
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(test::long_tests() ? 3600 : 40);
  std::mt19937 random(1);
  test::Window* window = test::shared_window();
  ASSERT_NE(window, nullptr);
  int kills = 0, in_save = 0, before_first = 0, runs = 0;
  while (kills < wanted && std::chrono::steady_clock::now() < end) {
    const FastFolder folder;
    Job job{.folder = folder / "", .set = set, .window = window};
    int code = -1;
    for (int attempt = 0; attempt < 50 && code != 0; ++attempt) {
      *window = {};
      const pid_t child = test::start(job);
      // The moment is the stimulus: anywhere in a run. Later attempts are killed too, but not all.
      if (attempt == 0 || (attempt < 49 && random() % 4 != 0)) {
        std::this_thread::sleep_for(whole * std::uniform_real_distribution<double>(0, 1)(random));
        // Every fourth then waits for a save, however short they are on this machine.
        const auto latest = std::chrono::steady_clock::now() + whole;
        while (kills % 4 == 0 && !window->in_save && std::chrono::steady_clock::now() < latest) {
        }
        kill(child, SIGKILL);
      }
      code = test::wait_for(child);
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << code << read_text(folder / "err.txt");
      if (code != -SIGKILL) continue;
      ++kills;
      in_save += window->in_save;
      before_first += window->saves == 0;
    }
    ASSERT_EQ(code, 0);
    ++runs;
    ASSERT_EQ(test::fingerprints(folder / "run"), expected) << "after " << kills << " kills";
    EXPECT_EQ(read_text(folder / "err.txt").find("damaged"), std::string::npos);
  }
  munmap(window, sizeof *window);
  std::printf("%d kills in %d runs: %d inside a save, %d before the first checkpoint\n", kills,
              runs, in_save, before_first);
  RecordProperty("kills", kills);
  RecordProperty("inside_a_save", in_save);
  EXPECT_GE(kills, test::long_tests() ? 200 : 30);
  EXPECT_GE(in_save * 3, kills) << "too few of them hit a save";
  EXPECT_GT(kills, in_save + before_first) << "and some hit the rest";
}

}  // namespace
}  // namespace engine
