#include "engine/core/file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "engine/core/error.h"
#include "tests/run/fault_files.h"
#include "tests/support/paths.h"

namespace engine {
namespace {

using test::FaultFiles;
using test::TemporaryFolder;

const SaveOptions kKeep{.keep_previous = true, .label = "x"};

std::vector<std::string> names_in(const TemporaryFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(SaveFile, KeepsThePreviousAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  for (const char* text : {"one", "two", "three"}) save_file(real_files(), path, text, kKeep);
  EXPECT_EQ(read_text(path), "three");
  EXPECT_EQ(read_text(path + ".prev"), "two");
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"a", "a.prev"}));
}

TEST(SaveFile, WorksWithoutHardLinks) {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  FaultFiles files;
  files.no_links = true;
  for (const char* text : {"one", "two", "three"}) save_file(files, path, text, kKeep);
  EXPECT_EQ(read_text(path), "three");
  EXPECT_EQ(read_text(path + ".prev"), "two");
}

/// A call that may fail without harm: what it would do is either optional or done again.
bool harmless(const std::string& name) {
  return name.starts_with("unlink");
}

TEST(SaveFile, EveryCallThatFailsIsAnErrorAndKeepsTheOldFile) {
  int tried = 0;
  for (const int error : {ENOSPC, EIO, EACCES, EROFS, EDQUOT}) {
    for (int64_t k = 0;; ++k) {
      const TemporaryFolder folder;
      const std::string path = folder / "a";
      save_file(real_files(), path, "zero", kKeep);
      save_file(real_files(), path, "one", kKeep);
      FaultFiles files;
      files.fault = FaultFiles::Fault::error;
      files.error = error;
      files.at = k;
      std::string message;
      try {
        save_file(files, path, "two", kKeep);
      } catch (const Error& failure) {
        EXPECT_EQ(failure.code(), ExitCode::storage);
        message = failure.what();
      }
      if (!files.happened) break;
      ++tried;
      const std::string& name = files.names[static_cast<size_t>(k)];
      if (message.empty()) {
        EXPECT_TRUE(harmless(name)) << name;
        EXPECT_EQ(read_text(path), "two") << name;
      } else {
        EXPECT_TRUE(message.find(path) != std::string::npos ||
                    message.find(folder.path().string()) != std::string::npos)
            << message;
        EXPECT_NE(message.find(std::strerror(error)), std::string::npos) << message;
        // After the rename only the folder's flush can fail: the new file is in place then.
        const std::string content = read_text(path);
        EXPECT_TRUE(content == "one" || content == "two") << name;
        const std::string before = read_text(path + ".prev");
        EXPECT_TRUE(before == (content == "two" ? "one" : "zero") || before == content) << name;
      }
      EXPECT_FALSE(exists(path + ".tmp")) << name;
      // The next save works.
      save_file(real_files(), path, "three", kKeep);
      EXPECT_EQ(read_text(path), "three");
      EXPECT_EQ(names_in(folder), (std::vector<std::string>{"a", "a.prev"})) << name;
    }
  }
  EXPECT_GT(tried, 5 * 12);
}

TEST(SaveFile, InterruptedAndShortCallsAreGoneOnWith) {
  for (const auto fault : {FaultFiles::Fault::error, FaultFiles::Fault::short_write}) {
    for (int64_t k = 0;; ++k) {
      const TemporaryFolder folder;
      const std::string path = folder / "a";
      save_file(real_files(), path, "one", kKeep);
      FaultFiles files;
      files.fault = fault;
      files.error = EINTR;
      files.at = k;
      bool failed = false;
      try {
        save_file(files, path, std::string(1000, 'x'), kKeep);
      } catch (const Error&) {
        failed = true;
      }
      if (!files.happened) break;
      const std::string& name = files.names[static_cast<size_t>(k)];
      // rename and link are not interrupted in practice; there an error is right too.
      EXPECT_TRUE(!failed || name.starts_with("rename") || name.starts_with("link")) << name;
      EXPECT_EQ(read_text(path), failed ? "one" : std::string(1000, 'x')) << name;
    }
  }
}

/// A disk that says yes and keeps something else.
class LyingFiles : public FileSystem {
 public:
  ssize_t write(int fd, const void* data, size_t bytes) override {
    std::string changed(static_cast<const char*>(data), bytes);
    if (!changed.empty()) changed.back() = static_cast<char>(changed.back() ^ 1);
    return FileSystem::write(fd, changed.data(), bytes);
  }
};

TEST(SaveFile, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  save_file(real_files(), folder / "a", "good", kKeep);
  LyingFiles files;
  EXPECT_THROW(save_file(files, folder / "a", "new", kKeep), Error);
  EXPECT_EQ(read_text(folder / "a"), "good");
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"a"}));
}

TEST(SaveFile, KilledAtEveryPointTheOldOrTheNewIsThere) {
  FaultFiles recorder;
  {
    const TemporaryFolder folder;
    save_file(real_files(), folder / "a", "zero", kKeep);
    save_file(recorder, folder / "a", "one", kKeep);
  }
  ASSERT_GE(recorder.points.size(), 9u);
  for (const bool first : {true, false}) {
    for (const std::string& point : recorder.points) {
      const TemporaryFolder folder;
      const std::string path = folder / "a";
      if (!first) save_file(real_files(), path, "old", kKeep);
      const pid_t child = fork();
      if (child == 0) {
        FaultFiles files;
        files.kill_at = point;
        save_file(files, path, "new", kKeep);
        _exit(0);
      }
      int status = 0;
      waitpid(child, &status, 0);
      const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      const bool of_previous = point == "x: linked" || point == "x: previous kept";
      EXPECT_EQ(killed, !(first && of_previous)) << point;
      if (first) {
        EXPECT_TRUE(!exists(path) || read_text(path) == "new") << point;
      } else {
        const std::string content = read_text(path);
        EXPECT_TRUE(content == "old" || content == "new") << point;
      }
      save_file(real_files(), path, "next", kKeep);
      save_file(real_files(), path, "last", kKeep);
      EXPECT_EQ(read_text(path), "last");
      EXPECT_EQ(read_text(path + ".prev"), "next");
      EXPECT_EQ(names_in(folder), (std::vector<std::string>{"a", "a.prev"})) << point;
    }
  }
}

TEST(FreeSpace, MessageHasPathFreeAndNeeded) {
  FaultFiles files;
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i) {
    const uint64_t needed = uint64_t{1000} << i;
    files.free = static_cast<int64_t>(needed);
    EXPECT_NO_THROW(require_free_space(files, folder.path().string(), needed));
    files.free = static_cast<int64_t>(needed) - 1;
    try {
      require_free_space(files, folder.path().string(), needed);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::storage);
      const std::string message = error.what();
      EXPECT_NE(message.find(folder.path().string()), std::string::npos);
      EXPECT_NE(message.find(human_bytes(needed - 1) + " free"), std::string::npos) << message;
      EXPECT_NE(message.find(human_bytes(needed) + " needed"), std::string::npos) << message;
    }
  }
}

TEST(Folders, AreMadeWithTheirParents) {
  const TemporaryFolder folder;
  make_folders(real_files(), folder / "a/b/c");
  make_folders(real_files(), folder / "a/b/c");
  EXPECT_TRUE(is_folder(folder / "a/b/c"));
  std::ofstream(folder / "file") << "x";
  EXPECT_THROW(make_folders(real_files(), folder / "file/b"), Error);
}

TEST(HumanBytes, Reads) {
  EXPECT_EQ(human_bytes(0), "0 bytes");
  EXPECT_EQ(human_bytes(999), "999 bytes");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(1'500'000), "1.5 MB");
  EXPECT_EQ(human_bytes(999'999'999), "1.0 GB");
}

}  // namespace
}  // namespace engine
