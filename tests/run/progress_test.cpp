#include "engine/run/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <regex>
#include <thread>

#include "engine/core/error.h"
#include "tests/support/paths.h"

namespace engine {
namespace {

using test::TemporaryFolder;

StepReport some_step(std::mt19937& random) {
  const auto number = [&](int64_t most) {
    return std::uniform_int_distribution<int64_t>(0, most)(random);
  };
  StepReport report;
  report.epochs = 1 + number(100000);
  report.epoch = 1 + number(report.epochs - 1);
  report.step = static_cast<uint64_t>(number(1'000'000'000));
  report.samples = static_cast<uint64_t>(1 + number(1'000'000));
  report.position = static_cast<uint64_t>(number(static_cast<int64_t>(report.samples)));
  report.images_per_second = std::pow(10.0, static_cast<double>(number(7)));
  report.loss = std::pow(10.0, static_cast<double>(number(30)));
  report.accuracy = 0.5;
  report.epoch_seconds_left = std::pow(10.0, static_cast<double>(number(8)));
  report.run_seconds_left =
      number(10) == 0 ? INFINITY : std::pow(10.0, static_cast<double>(number(8)));
  return report;
}

TEST(Bar, FitsEveryWidth) {
  std::mt19937 random(1);
  for (int width = 20; width <= 300; ++width) {
    for (int i = 0; i < 20; ++i) {
      const std::string bar = render_bar(some_step(random), width);
      EXPECT_LT(bar.size(), static_cast<size_t>(width));
      EXPECT_TRUE(
          std::all_of(bar.begin(), bar.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
    }
  }
}

TEST(Bar, OfACountFitsEveryWidth) {
  for (int width = 1; width <= 300; ++width) {
    for (const double left : {-1.0, 5.0, 4000.0, 1e12}) {
      const std::string bar = render_count("predicting", 99'999, 100'000, left, width);
      EXPECT_LT(bar.size(), static_cast<size_t>(width));
    }
  }
  EXPECT_EQ(render_count("reading", 5, 20, 70, 60),
            "reading 5/20 [======.....................]  25 %  1:10 left");
  EXPECT_EQ(render_count("reading", 0, 0, -1, 30), "reading 0/0 [.........]   0 %");
}

TEST(Bar, ShowsWhatMattersWhereItFits) {
  StepReport report{.epoch = 3,
                    .epochs = 10,
                    .step = 77,
                    .position = 50,
                    .samples = 100,
                    .images_per_second = 1234.4,
                    .loss = 1.5,
                    .accuracy = 0.25,
                    .epoch_seconds_left = 65,
                    .run_seconds_left = 3700};
  const std::string wide = render_bar(report, 120);
  for (const char* part : {"epoch 3/10", "50 %", "loss 1.5000", "accuracy 0.2500", "1234 images/s",
                           "1:05 left", "run 1:01:40 left", "[=", ".]"}) {
    EXPECT_NE(wide.find(part), std::string::npos) << wide;
  }
  const std::string narrow = render_bar(report, 40);
  EXPECT_NE(narrow.find("loss 1.5000"), std::string::npos) << narrow;
}

TEST(Duration, Reads) {
  EXPECT_EQ(render_duration(0), "0 s");
  EXPECT_EQ(render_duration(59.4), "59 s");
  EXPECT_EQ(render_duration(59.6), "1:00");
  EXPECT_EQ(render_duration(3723), "1:02:03");
  EXPECT_EQ(render_duration(NAN), "?");
  EXPECT_EQ(render_duration(INFINITY), "?");
  EXPECT_EQ(render_duration(-1), "?");
}

/// Whether this machine gives out pseudo-terminals: in a bare chroot /dev/pts is not mounted.
bool has_terminals() {
  int master = -1, slave = -1;
  if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) return false;
  close(master);
  close(slave);
  return true;
}

/// For tests that need one.
class ProgressOnATerminal : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_terminals()) GTEST_SKIP() << "no pseudo-terminals: /dev/pts is not mounted here";
  }
};

/// What a Progress writes to a terminal of some width.
class Terminal {
 public:
  explicit Terminal(int width) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(width);
    size.ws_row = 24;
    EXPECT_EQ(openpty(&master_, &slave_, nullptr, nullptr, &size), 0);
    reader_ = std::thread([this] {
      char buffer[4096];
      for (ssize_t got; (got = read(master_, buffer, sizeof buffer)) > 0;) {
        text_.append(buffer, static_cast<size_t>(got));
      }
    });
  }
  int fd() const { return slave_; }
  std::string text() {
    close(slave_);
    reader_.join();
    close(master_);
    return text_;
  }

 private:
  int master_ = -1, slave_ = -1;
  std::string text_;
  std::thread reader_;
};

/// Longest run of printed characters between carriage returns and line feeds, escapes left out.
size_t longest_line(const std::string& text) {
  const std::string plain = std::regex_replace(text, std::regex("\x1b\\[[0-9;]*[A-Za-z]"), "");
  size_t longest = 0, length = 0;
  for (const char c : plain) {
    length = c == '\r' || c == '\n' ? 0 : length + 1;
    longest = std::max(longest, length);
  }
  return longest;
}

TEST_F(ProgressOnATerminal, TheBarNeverWraps) {
  std::mt19937 random(2);
  for (const int width : {20, 21, 40, 79, 80, 81, 132, 300}) {
    Terminal terminal(width);
    {
      Progress progress({.fd = terminal.fd()});
      progress.step(some_step(random));
      progress.count("predicting", 123'456, 1'000'000);
      progress.doing("evaluating a rather long thing that does not fit into narrow terminals");
      progress.finish();
    }
    const std::string text = terminal.text();
    EXPECT_NE(text.find('\r'), std::string::npos) << "a bar was drawn";
    EXPECT_LT(longest_line(text), static_cast<size_t>(width));
    EXPECT_TRUE(text.ends_with("\r\x1b[K")) << "and removed";
  }
}

TEST_F(ProgressOnATerminal, DrawsAtMostTenTimesASecond) {
  Terminal terminal(80);
  const auto start = std::chrono::steady_clock::now();
  {
    Progress progress({.fd = terminal.fd()});
    StepReport report{.epoch = 1, .epochs = 2, .samples = 1000000};
    for (int i = 0; i < 200000; ++i) {
      report.position = static_cast<uint64_t>(i);
      progress.step(report);
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string text = terminal.text();
  size_t draws = 0;
  for (size_t at = 0; (at = text.find("epoch 1/2", at)) != std::string::npos; ++at) ++draws;
  EXPECT_GE(draws, 1u);
  EXPECT_LE(static_cast<double>(draws), 10 * seconds + 2);
}

TEST_F(ProgressOnATerminal, NoColorIsObeyed) {
  for (const bool color : {true, false}) {
    if (color) {
      unsetenv("NO_COLOR");
    } else {
      setenv("NO_COLOR", "1", 1);
    }
    Terminal terminal(80);
    {
      Progress progress({.fd = terminal.fd()});
      progress.epoch({.epoch = 1, .epochs = 2, .best = true});
    }
    EXPECT_EQ(terminal.text().find("\x1b[1m") != std::string::npos, color);
  }
  unsetenv("NO_COLOR");
}

TEST(Progress, AFileGetsWholePlainLinesWithTimeAndStep) {
  const TemporaryFolder folder;
  const std::string path = folder / "err.txt";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  {
    Progress progress({.fd = fd});
    progress.log_to(real_files(), folder / "log.txt");
    progress.line(
        "run folder: runs/\x1b[31mred\x07\tand\rmore \xC2\x9B"
        "2J");
    progress.warning("two\nlines");
    StepReport step{.epochs = 100, .samples = 40000};
    for (int64_t epoch = 1; epoch <= 100; ++epoch) {
      step.epoch = epoch;
      for (uint64_t i = 0; i < 1250; ++i) {
        step.step = static_cast<uint64_t>(epoch - 1) * 1250 + i;
        step.position = i * 32;
        progress.step(step);
      }
      progress.doing("evaluating");
      progress.epoch({.epoch = epoch,
                      .epochs = 100,
                      .step = static_cast<uint64_t>(epoch) * 1250,
                      .seconds = 3600,
                      .images_per_second = 123456,
                      .train_loss = 1.23456789,
                      .train_accuracy = 0.5,
                      .validated = true,
                      .validation_loss = 1234.5678,
                      .validation_accuracy = 0.5,
                      .best = true});
    }
    progress.finish();
  }
  close(fd);
  const std::string text = read_text(path);
  EXPECT_LT(text.size(), 64u * 1024);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 103);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(),
                          [](char c) { return c == '\n' || static_cast<uint8_t>(c) >= 0x20; }));
  EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
  const std::regex form("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d step \\d+: .+");
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    EXPECT_TRUE(std::regex_match(text.substr(start, end - start), form))
        << text.substr(start, end - start);
    start = end + 1;
  }
  EXPECT_EQ(read_text(folder / "log.txt"), text);
}

TEST(Progress, AQuickCountLeavesNoLineInAFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "err.txt";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  {
    Progress progress({.fd = fd});
    for (uint64_t done = 0; done <= 10'000; ++done) progress.count("reading", done, 10'000);
    progress.line("the end");
  }
  close(fd);
  const std::string text = read_text(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST(Progress, QuietShowsWarningsOnlyButLogsEverything) {
  const TemporaryFolder folder;
  const int fd = open((folder / "err.txt").c_str(), O_CREAT | O_WRONLY, 0644);
  {
    Progress progress({.fd = fd, .quiet = true});
    progress.log_to(real_files(), folder / "log.txt");
    progress.line("hello");
    progress.step({.epoch = 1});
    progress.epoch({.epoch = 1});
    progress.warning("careful");
  }
  close(fd);
  EXPECT_EQ(read_text(folder / "err.txt").find("hello"), std::string::npos);
  EXPECT_NE(read_text(folder / "err.txt").find("careful"), std::string::npos);
  EXPECT_NE(read_text(folder / "log.txt").find("hello"), std::string::npos);
}

TEST(Progress, ALogThatCannotBeWrittenIsAWarning) {
  const TemporaryFolder folder;
  const int fd = open((folder / "err.txt").c_str(), O_CREAT | O_WRONLY, 0644);
  {
    Progress progress({.fd = fd});
    progress.log_to(real_files(), folder / "no/such/folder/log.txt");
    progress.log_to(real_files(), "/dev/full");
    progress.line("hello");
    progress.line("again");
  }
  close(fd);
  const std::string text = read_text(folder / "err.txt");
  EXPECT_NE(text.find("no/such/folder/log.txt: the log cannot be written"), std::string::npos)
      << text;
  EXPECT_NE(text.find("hello"), std::string::npos);
  EXPECT_NE(text.find("again"), std::string::npos);
}

}  // namespace
}  // namespace engine
