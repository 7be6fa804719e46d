// What `engine run` shows on a terminal, and in a file.

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

/// The lines that stay on a screen: what a carriage return goes back over is drawn over.
std::vector<std::string> screen(const std::string& text) {
  std::vector<std::string> lines(1);
  const std::string plain = std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
  for (size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] == '\n') {
      lines.emplace_back();
    } else if (plain[i] == '\r') {
      // The program always clears to the end of the line when it has gone back.
      if (plain.compare(i, 2, "\r\n") != 0) lines.back().clear();
    } else if (plain.compare(i, 3, "\x1b[K") == 0) {
      i += 2;
    } else {
      lines.back() += plain[i];
    }
  }
  return lines;
}

TEST(RunOnATerminal, KeepsALineAnEpochAndNoBar) {
  if (!has_terminals()) GTEST_SKIP() << "no pseudo-terminals: /dev/pts is not mounted here";
  const TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment());
  for (const int width : {20, 80, 300}) {
    const ProcessResult result = run_engine(
        {"run", file, "--threads", "1", "--overwrite", "--out", "r"},
        {.folder = folder.path(), .environment = {{"TERM", "xterm"}}, .terminal = width});
    ASSERT_EXIT_CODE(result, 0);
    EXPECT_NE(result.err.find('\r'), std::string::npos) << "nothing was drawn over";
    EXPECT_NE(result.err.find("preprocessing"), std::string::npos);
    const std::vector<std::string> lines = screen(result.err);
    EXPECT_EQ(lines.back(), "");
    const auto starts = [&](const char* with) {
      return std::count_if(lines.begin(), lines.end(),
                           [&](const std::string& line) { return line.starts_with(with); });
    };
    EXPECT_EQ(starts("epoch "), 2) << result.err;
    EXPECT_EQ(starts("preprocessing"), 0);
    for (const std::string& line : lines) EXPECT_LT(line.size(), static_cast<size_t>(width));
  }
}

TEST(RunIntoAFile, AHundredEpochsAreAFewKilobytesOfPlainLines) {
  const TemporaryFolder folder;
  auto experiment = small_experiment();
  experiment["data"]["count"] = 100;
  const std::string file = write_experiment(folder, "small", experiment);
  const ProcessResult result =
      run_engine({"run", file, "--threads", "1", "--epochs", "100"}, {.folder = folder.path()});
  ASSERT_EXIT_CODE(result, 0);
  EXPECT_LT(result.err.size(), 64u * 1024);
  EXPECT_GE(std::count(result.err.begin(), result.err.end(), '\n'), 100);
  EXPECT_TRUE(std::all_of(result.err.begin(), result.err.end(),
                          [](char c) { return c == '\n' || static_cast<uint8_t>(c) >= 0x20; }));
}

}  // namespace
}  // namespace engine::test
