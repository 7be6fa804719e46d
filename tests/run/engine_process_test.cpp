// The program itself, killed, stopped and started twice, as a user or a scheduler does it.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/run/training_child.h"

namespace engine {
namespace {

using test::FastFolder;
using Clock = std::chrono::steady_clock;

class Engine : public testing::Test {
 protected:
  void SetUp() override {
    if (!exists(test::engine_binary())) GTEST_SKIP() << "not built: " << test::engine_binary();
    std::ofstream(folder_ / "tiny.json") << test::kExperiment;
  }

  pid_t start(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{test::engine_binary(),
                                       "run",
                                       folder_ / "tiny.json",
                                       "--out",
                                       folder_ / out,
                                       "--device",
                                       "cpu",
                                       "--threads",
                                       "1",
                                       "--set",
                                       "train.checkpoint.every_steps=1",
                                       "--set",
                                       "train.epochs=20"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const pid_t child = fork();
    if (child != 0) return child;
    const int log = ::open((folder_ / "err.txt").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    dup2(log, 1);
    dup2(log, 2);
    setenv("ENGINE_COUNTED_TIME", "1", 1);
    std::vector<char*> raw;
    for (std::string& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    execv(raw[0], raw.data());
    _exit(127);
  }
  /// Without taking its exit code.
  static bool ended(pid_t child) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid == child;
  }
  int run(const std::string& out, const std::vector<std::string>& more = {}) {
    return test::wait_for(start(out, more));
  }
  std::string log() { return read_text(folder_ / "err.txt"); }

  FastFolder folder_;
};

TEST_F(Engine, KilledAndStoppedRunsEndWithTheSameBytes) {
  Clock::duration whole = Clock::duration::max();
  for (const char* out : {"a", "b"}) {
    const auto begin = Clock::now();
    ASSERT_EQ(run(out), 0) << log();
    whole = std::min(whole, Clock::now() - begin);
  }
  const auto expected = test::fingerprints(folder_ / "a");
  ASSERT_EQ(test::fingerprints(folder_ / "b"), expected);
  std::mt19937 random(7);
  int killed = 0, stopped = 0;
  const int trials = test::long_tests() ? 200 : 16;
  for (int i = 0; i < trials; ++i) {
    const std::string out = std::to_string(i);
    const std::vector<int> signals{SIGKILL, SIGTERM, SIGKILL, SIGUSR2,
                                   SIGKILL, SIGHUP,  SIGKILL, SIGINT};
    int code = -1;
    for (int attempt = 0; attempt < 6 && code != 0; ++attempt) {
      const pid_t child = start(out, {"--resume"});
      // A kill may hit any moment. A stop is of interest once there is something to stop.
      const bool wait = i % 2 == 1;
      const std::string state = folder_ / out + "/checkpoints/last.state.safetensors";
      while (wait && !exists(state) && !ended(child)) std::this_thread::yield();
      const auto most = wait ? whole / 4 : whole;
      std::this_thread::sleep_for(most * std::uniform_real_distribution<double>(0, 1)(random));
      const int signal = signals[static_cast<size_t>(i) % signals.size()];
      kill(child, signal);
      code = test::wait_for(child);
      // Before its handlers are there, a signal ends the program as it ends any other.
      ASSERT_TRUE(code == 0 || code == -signal || code == 75) << code << log();
      killed += code == -SIGKILL;
      stopped += code == 75;
      if (code != 75) continue;
      EXPECT_EQ(nlohmann::json::parse(read_text(folder_ / out + "/status.json"))["state"],
                "stopped");
    }
    // On a busy machine no attempt may have come to the end: the last one is left alone.
    if (code != 0) {
      ASSERT_EQ(run(out, {"--resume"}), 0) << log();
    }
    ASSERT_EQ(test::fingerprints(folder_ / out), expected) << i << log();
  }
  std::printf("%d killed, %d stopped by a signal\n", killed, stopped);
  EXPECT_GT(killed, trials / 8);
  EXPECT_GT(stopped, trials / 16);
}

/// The first is halted in the middle of its run, so the second meets it whatever the machine's
/// load.
TEST_F(Engine, ASecondProcessInTheFolderExitsWith9) {
  const pid_t first = start("run", {"--set", "train.epochs=100000"});
  while (!exists(folder_ / "run/checkpoints/last.state.safetensors")) {
    ASSERT_EQ(waitpid(first, nullptr, WNOHANG), 0) << log();
    std::this_thread::yield();
  }
  kill(first, SIGSTOP);
  for (const char* flag : {"--resume", "--overwrite"}) EXPECT_EQ(run("run", {flag}), 9) << log();
  EXPECT_EQ(run("run"), 9) << log();
  EXPECT_NE(log().find("another process"), std::string::npos);
  kill(first, SIGCONT);
  kill(first, SIGTERM);
  EXPECT_EQ(test::wait_for(first), 75) << log();
  EXPECT_EQ(run("run", {"--resume", "--set", "train.epochs=1"}), 0) << log();
}

}  // namespace
}  // namespace engine
