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
#include "tests/support/process.h"

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
  report.memory_bytes = static_cast<size_t>(number(1) * number(1'000'000'000'000));
  report.best_epoch = number(1) * report.epoch;
  report.best_loss = report.loss;
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
  EXPECT_EQ(render_count("reading", 0, 0, -1, 32), "reading 0/0 [...........]   0 %");
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
                    .run_seconds_left = 3700,
                    .memory_bytes = 600u << 20,
                    .best_epoch = 2,
                    .best_loss = 1.75};
  const std::string wide = render_bar(report, 160);
  for (const char* part :
       {"epoch 3/10", "50 %", "loss 1.5000", "accuracy 0.2500", "1234 images/s", "1:05 left",
        "run 1:01:40 left", "best 1.7500 in epoch 2", "memory 600 MiB", "[=", ".]"}) {
    EXPECT_NE(wide.find(part), std::string::npos) << wide;
  }
  EXPECT_EQ(render_bar(report, 80),
            "epoch 3/10 [=========.........]  50 %  loss 1.5000  1:05 left  run 1:01:40 left");
  EXPECT_EQ(render_bar(report, 40), "epoch 3/10  50 %  loss 1.5000");
}

TEST(EpochLine, SaysWhatFits) {
  EpochReport report{.epoch = 12,
                     .epochs = 100,
                     .seconds = 52.4,
                     .images_per_second = 812.4,
                     .train_loss = 0.81163,
                     .train_accuracy = 0.71652,
                     .validated = true,
                     .validation_loss = 0.90167,
                     .validation_accuracy = 0.6859,
                     .best = true};
  const std::string whole =
      "epoch 12/100  loss 0.8116  accuracy 0.7165  validation loss 0.9017  accuracy 0.6859  "
      "812 images/s  52 s  best so far";
  EXPECT_EQ(render_epoch(report), whole);
  EXPECT_EQ(render_epoch(report, 150), whole);
  EXPECT_EQ(render_epoch(report, 80),
            "epoch 12/100  loss 0.8116  acc 0.7165  val loss 0.9017  val acc 0.6859  best");
  EXPECT_EQ(render_epoch(report, 45), "epoch 12/100  val acc 0.6859  52 s  best");
  EXPECT_EQ(render_epoch(report, 20), "epoch 12/100  best");
  report.validated = report.best = false;
  EXPECT_EQ(render_epoch(report, 60), "epoch 12/100  loss 0.8116  acc 0.7165  812 images/s  52 s");
  for (int width = 20; width <= 300; ++width)
    EXPECT_LT(render_epoch(report, width).size(), static_cast<size_t>(width));
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

/// For tests that need one.
class ProgressOnATerminal : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_terminals()) GTEST_SKIP() << "no pseudo-terminals: /dev/pts is not mounted here";
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
  void resize(int width) const {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(width);
    size.ws_row = 24;
    EXPECT_EQ(ioctl(slave_, TIOCSWINSZ, &size), 0);
  }
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
    if ((static_cast<uint8_t>(c) & 0xC0) == 0x80) continue;  // the rest of a UTF-8 character
    length = c == '\r' || c == '\n' ? 0 : length + 1;
    longest = std::max(longest, length);
  }
  return longest;
}

EpochReport some_epoch(std::mt19937& random) {
  const StepReport step = some_step(random);
  return {.epoch = step.epoch,
          .epochs = step.epochs,
          .step = step.step,
          .seconds = step.epoch_seconds_left,
          .images_per_second = step.images_per_second,
          .train_loss = step.loss,
          .train_accuracy = 0.5,
          .validated = step.best_epoch > 0,
          .validation_loss = step.loss,
          .validation_accuracy = 0.5,
          .best = step.memory_bytes > 0};
}

/// Every width that terminals have, while they change it: what is drawn fits the width of its time.
TEST_F(ProgressOnATerminal, NothingWraps) {
  std::mt19937 random(2);
  for (int width = 20; width <= 300; ++width) {
    Terminal terminal(width == 20 ? 300 : 20);
    {
      Progress progress({.fd = terminal.fd()});
      progress.doing("evaluating a rather long thing that does not fit into narrow terminals");
      terminal.resize(width);
      progress.step(some_step(random));
      progress.count("predicting", 123'456, 1'000'000);
      progress.doing("t\xC3\xA4glich evaluating a rather long thing that does not fit \x1b[2J");
      progress.epoch(some_epoch(random));
      progress.line("this run goes into runs/noise-2 (there is an earlier one of that name)");
      progress.warning("the newest checkpoint is damaged; going on from the one before");
      progress.finish();
    }
    std::string text = terminal.text();
    EXPECT_NE(text.find('\r'), std::string::npos) << "a bar was drawn";
    EXPECT_NE(text.find("epoch "), std::string::npos);
    // What "doing" wrote at the first width; the rest begins with the bar.
    text = text.substr(text.find("\x1b[K"));
    EXPECT_LT(longest_line(text), static_cast<size_t>(width)) << text;
    EXPECT_EQ(text.find("\x1b[2J"), std::string::npos);
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
