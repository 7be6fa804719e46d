#include "engine/run/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/core/error.h"
#include "tests/run/fault_files.h"
#include "tests/support/paths.h"

namespace engine {
namespace {

using test::TemporaryFolder;

ExitCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::ok;
}

FolderRequest named(const TemporaryFolder& folder, const std::string& name) {
  return {.name = name, .runs = folder / "runs"};
}

/// Leaves what a run leaves.
std::string make_run(const FolderRequest& request) {
  RunFolder folder = RunFolder::open(real_files(), request);
  folder.begin();
  std::ofstream(folder / run_files::kConfig) << "{}";
  std::ofstream(folder / run_files::kState) << "state";
  std::ofstream(folder / run_files::kMetrics) << "metrics";
  return folder.path();
}

TEST(RunFolder, TakesTheNextFreeName) {
  const TemporaryFolder folder;
  const FolderRequest request = named(folder, "noise");
  EXPECT_EQ(make_run(request), folder / "runs/noise");
  EXPECT_EQ(make_run(request), folder / "runs/noise-2");
  EXPECT_EQ(make_run(request), folder / "runs/noise-3");
  EXPECT_FALSE(RunFolder::open(real_files(), named(folder, "other")).renamed());
  EXPECT_TRUE(RunFolder::open(real_files(), request).renamed());
}

TEST(RunFolder, LeavesNothingWhenTheRunDoesNotBegin) {
  const TemporaryFolder folder;
  { RunFolder::open(real_files(), named(folder, "noise")); }
  EXPECT_FALSE(exists(folder / "runs"));
  { RunFolder::open(real_files(), {.name = "n", .out = folder / "a/b/c"}); }
  EXPECT_FALSE(exists(folder / "a"));
  std::filesystem::create_directories(folder / "mine");
  { RunFolder::open(real_files(), {.name = "n", .out = folder / "mine"}); }
  EXPECT_TRUE(exists(folder / "mine"));
  { RunFolder::open(real_files(), {.name = "n", .out = folder / "mine/new"}); }
  EXPECT_TRUE(exists(folder / "mine"));
  EXPECT_FALSE(exists(folder / "mine/new"));
}

TEST(RunFolder, OutMustBeFree) {
  const TemporaryFolder folder;
  FolderRequest request{.name = "n", .out = folder / "out"};
  make_run(request);
  const auto open = [&] { RunFolder::open(real_files(), request); };
  EXPECT_EQ(code_of(open), ExitCode::usage);
  request.resume = true;
  EXPECT_EQ(code_of(open), ExitCode::ok);
  EXPECT_TRUE(exists(folder / "out/config.json"));
  request.resume = false;
  request.overwrite = true;
  std::ofstream(folder / "out/notes.txt") << "mine";
  open();
  EXPECT_TRUE(exists(folder / "out/config.json")) << "nothing is removed before the run begins";
  {
    RunFolder run = RunFolder::open(real_files(), request);
    run.begin();
  }
  EXPECT_FALSE(exists(folder / "out/config.json"));
  EXPECT_FALSE(exists(folder / "out/checkpoints/last.state.safetensors"));
  EXPECT_TRUE(exists(folder / "out/notes.txt")) << "only a run's own files are removed";
  // Somebody's folder that is not a run is never touched.
  std::filesystem::remove_all(folder / "out");
  std::filesystem::create_directories(folder / "out");
  std::ofstream(folder / "out/thesis.txt") << "years";
  EXPECT_EQ(code_of(open), ExitCode::usage);
  request.out = folder / "out/thesis.txt";
  EXPECT_EQ(code_of(open), ExitCode::usage);
}

TEST(RunFolder, ResumeFindsTheNewestRun) {
  const TemporaryFolder folder;
  FolderRequest request = named(folder, "noise");
  request.resume = true;
  EXPECT_EQ(RunFolder::open(real_files(), request).path(), folder / "runs/noise");
  EXPECT_FALSE(exists(folder / "runs/noise"));
  request.resume = false;
  for (int i = 0; i < 11; ++i) make_run(request);
  std::filesystem::create_directories(folder / "runs/noise-99");
  std::filesystem::create_directories(folder / "runs/noise-old");
  request.resume = true;
  EXPECT_EQ(RunFolder::open(real_files(), request).path(), folder / "runs/noise-11");
  std::filesystem::remove_all(folder / "runs/noise");
  EXPECT_EQ(RunFolder::open(real_files(), request).path(), folder / "runs/noise-11");
}

TEST(RunFolder, NamesCannotLeaveTheFolder) {
  const TemporaryFolder folder;
  for (const char* name :
       {"", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\nb", "a\x1b[2J", "a\\b"}) {
    EXPECT_EQ(code_of([&] { RunFolder::open(real_files(), named(folder, name)); }),
              ExitCode::experiment)
        << name;
  }
}

TEST(RunFolder, UnwritableFoldersAreStorageErrors) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  EXPECT_EQ(
      code_of([&] { RunFolder::open(real_files(), {.name = "n", .out = folder / "file/run"}); }),
      ExitCode::storage);
  for (int64_t k = 0;; ++k) {
    test::FaultFiles files;
    files.fault = test::FaultFiles::Fault::error;
    files.error = EROFS;
    files.at = k;
    const ExitCode code = code_of([&] {
      RunFolder run = RunFolder::open(files, {.name = "n", .out = folder / "deep/run"});
      run.begin();
    });
    if (!files.happened) break;
    const std::string& name = files.names[static_cast<size_t>(k)];
    EXPECT_EQ(code, name.starts_with("close") || name.starts_with("unlink") ? ExitCode::ok
                                                                            : ExitCode::storage)
        << name;
    std::filesystem::remove_all(folder / "deep");
  }
}

TEST(FolderLock, ASecondProcessIsTurnedAway) {
  const TemporaryFolder folder;
  FolderRequest request{.name = "n", .out = folder / "out"};
  const RunFolder held = RunFolder::open(real_files(), request);
  for (const bool resume : {false, true}) {
    request.resume = resume;
    const pid_t child = fork();
    if (child == 0) {
      _exit(static_cast<int>(code_of([&] { RunFolder::open(real_files(), request); })));
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(ExitCode::busy));
  }
}

TEST(FolderLock, VanishesWithItsProcess) {
  const TemporaryFolder folder;
  const FolderRequest request{.name = "n", .out = folder / "out"};
  for (int i = 0; i < 20; ++i) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      const RunFolder held = RunFolder::open(real_files(), request);
      EXPECT_EQ(write(ready[1], "x", 1), 1);
      for (;;) pause();
    }
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    EXPECT_EQ(code_of([&] { RunFolder::open(real_files(), request); }), ExitCode::busy);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_EQ(code_of([&] { RunFolder::open(real_files(), request); }), ExitCode::ok);
    close(ready[0]);
    close(ready[1]);
  }
}

/// Pairs that start together: exactly one runs, whatever the order. A process that has the folder
/// says so by a byte and keeps it until both have spoken.
TEST(FolderLock, OfTwoThatStartTogetherOneRuns) {
  const TemporaryFolder folder;
  const int pairs = std::getenv("ENGINE_LONG_TESTS") ? 200 : 40;
  for (int pair = 0; pair < pairs; ++pair) {
    const FolderRequest request{.name = "n", .out = folder / std::to_string(pair)};
    int start[2], said[2], end[2];
    ASSERT_TRUE(pipe(start) == 0 && pipe(said) == 0 && pipe(end) == 0);
    pid_t children[2];
    for (pid_t& child : children) {
      child = fork();
      if (child != 0) continue;
      close(start[1]);
      close(end[1]);
      char byte;
      if (read(start[0], &byte, 1) != 0) _exit(1);
      const ExitCode code = code_of([&] {
        RunFolder held = RunFolder::open(real_files(), request);
        held.begin();
        if (write(said[1], "r", 1) != 1 || read(end[0], &byte, 1) != 0) _exit(1);
      });
      if (code != ExitCode::ok && write(said[1], "b", 1) != 1) _exit(1);
      _exit(static_cast<int>(code));
    }
    close(start[1]);  // both are let go at once
    std::string both(2, ' ');
    ASSERT_EQ(read(said[0], &both[0], 1), 1);
    ASSERT_EQ(read(said[0], &both[1], 1), 1);
    close(end[1]);
    int codes[2];
    for (int i = 0; i < 2; ++i) {
      int status = 0;
      waitpid(children[i], &status, 0);
      codes[i] = WEXITSTATUS(status);
    }
    EXPECT_EQ(std::min(codes[0], codes[1]), 0);
    EXPECT_EQ(std::max(codes[0], codes[1]), static_cast<int>(ExitCode::busy));
    for (int fd : {start[0], said[0], said[1], end[0]}) close(fd);
  }
}

TEST(Metrics, TheColumnsAreFixed) {
  MetricsRow row{.epoch = 1,
                 .seconds = 1.23456,
                 .images_per_second = 1000.04,
                 .learning_rate = 0.001,
                 .train_loss = 2.25,
                 .train_accuracy = 0.1,
                 .validation_loss = 1.0 / 3,
                 .validation_accuracy = 1};
  MetricsRow without = row;
  without.epoch = 2;
  without.validation_loss = without.validation_accuracy = std::nan("");
  EXPECT_EQ(
      metrics_csv({row, without}),
      "epoch,seconds,images_per_second,learning_rate,train_loss,train_accuracy,validation_loss,"
      "validation_accuracy\n"
      "1,1.235,1000.0,0.001,2.25,0.1,0.3333333333333333,1\n"
      "2,1.235,1000.0,0.001,2.25,0.1,,\n");
}

TEST(Metrics, TimesAreTakenFromTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  std::vector<MetricsRow> rows(3);
  for (int i = 0; i < 3; ++i) {
    rows[static_cast<size_t>(i)].epoch = i + 1;
    rows[static_cast<size_t>(i)].seconds = i + 0.5;
    rows[static_cast<size_t>(i)].images_per_second = 100 * i;
    rows[static_cast<size_t>(i)].train_loss = 7;
  }
  std::ofstream(folder / "metrics.csv") << metrics_csv(rows);
  std::vector<MetricsRow> saved(2);
  saved[0].epoch = 1;
  saved[1].epoch = 2;
  adopt_times(saved, folder / "metrics.csv");
  EXPECT_EQ(saved[1].seconds, 1.5);
  EXPECT_EQ(saved[1].images_per_second, 100);
  EXPECT_EQ(saved[1].train_loss, 0);
  for (const char* text : {"", "epoch\n", "\xFF\xFE", "1,2,3\n"}) {
    std::ofstream(folder / "metrics.csv", std::ios::trunc) << text;
    std::vector<MetricsRow> untouched = saved;
    adopt_times(untouched, folder / "metrics.csv");
    EXPECT_EQ(untouched[1].seconds, 1.5);
  }
  std::ofstream(folder / "metrics.csv", std::ios::trunc)
      << metrics_csv({}) << "1,nan,-1,0\n2,1e999,0,0\n";
  adopt_times(saved, folder / "metrics.csv");
  EXPECT_EQ(saved[0].seconds, 0.5);
}

}  // namespace
}  // namespace engine
