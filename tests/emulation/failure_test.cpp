// The program on a GPU that fails: at calls spread over a whole run, each kind of failure ends the
// process with its exit code and one message, and a resume comes to the bytes of the run that
// nothing disturbed. ENGINE_LONG_TESTS=1 takes every call and every failure.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;

/// What a run that came to its end leaves.
constexpr const char* kFiles[] = {"checkpoints/best.safetensors", "checkpoints/last.safetensors",
                                  "checkpoints/last.state.safetensors", "metrics.csv",
                                  "results.json"};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line);) all.push_back(line);
  return all;
}

nlohmann::json experiment() {
  nlohmann::json tiny = small_experiment();
  tiny["data"]["count"] = 60;
  tiny["data"]["size"] = 8;
  tiny["network"]["nodes"][0]["filters"] = 4;
  tiny["train"]["epochs"] = 3;
  // A checkpoint after each step: how many steps are queued at a time does not depend on the time.
  tiny["train"]["checkpoint"]["every_steps"] = 1;
  return tiny;
}

bool allocates(const std::string& call) {
  return call == "cudaMalloc" || call == "cudaMallocHost" || call == "cudaGraphInstantiate" ||
         call == "cudaGraphLaunch";
}
/// Nothing can be told of their failures, and nothing needs to be: what they give back is not used
/// again. When the GPU is lost, the next call says so.
bool gives_back(const std::string& call) {
  return call == "cudaFree" || call == "cudaFreeHost" || call == "cudaEventDestroy" ||
         call == "cudaGraphExecDestroy" || call == "cudaGraphDestroy" ||
         call == "cudaStreamDestroy" || call == "cudaGetLastError";
}

class FailingGpu : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(engine_binary(), program_);
    fs::copy_file(EMULATED_LIBRARY, folder_ / "libengine_cuda.so");
    file_ = write_experiment(folder_, "tiny", experiment());
    ASSERT_EXIT_CODE(run("whole", {}), 0);
    calls_ = lines(log());
    ASSERT_GT(calls_.size(), 300u);
    ASSERT_EXIT_CODE(run("again", {}), 0);
    ASSERT_EQ(lines(log()), calls_) << "the calls differ from run to run";
  }

  std::string log() const { return folder_ / "calls.txt"; }
  fs::path out(const std::string& name) const { return runs_ / name; }

  ProcessResult run(const std::string& name, const std::string& failure,
                    std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{program_,    "run",  file_,   "--quiet",
                                       "--device",  "cuda", "--out", out(name).string(),
                                       "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::map<std::string, std::string> environment{{"ENGINE_COUNTED_TIME", "1"},
                                                   {"EMULATED_CALLS", log()},
                                                   {"LD_LIBRARY_PATH", EMULATED_FOLDER}};
    if (!failure.empty()) environment["EMULATED_FAILURE"] = failure;
    return run_process(arguments, {.folder = folder_.path(), .environment = environment});
  }

  void expect_the_same(const std::string& name) const {
    for (const char* file : kFiles) {
      EXPECT_GT(read(out(name) / file).size(), 0u) << file;
      EXPECT_EQ(read(out(name) / file), read(out("whole") / file)) << file;
    }
  }

  /// Fails call number n (from 1), and goes on with what is left.
  void fail(size_t n, const std::string& error) {
    SCOPED_TRACE("call " + std::to_string(n) + ", " + calls_[n - 1] + ": " + error);
    const ProcessResult failed = run("failed", std::to_string(n) + ":" + error);
    const std::vector<std::string> calls = lines(log());
    ASSERT_GE(calls.size(), n) << failed.err << failed.code << " " << failed.signal;
    ASSERT_EQ(calls[n - 1], calls_[n - 1] + " failed");
    if (failed.code == 0) {
      // Memory that the report lacks costs its pictures, not the run.
      const bool warned =
          error == "memory" && failed.err.find("warning: out of ") != std::string::npos;
      EXPECT_TRUE(warned ||
                  std::all_of(calls_.begin() + static_cast<long>(n) - 1, calls_.end(), gives_back))
          << failed.err;
      ++(warned ? warned_ : unnoticed_);
      expect_the_same("failed");
    } else {
      expect_reported(failed, error == "memory" ? 5 : 8);
      expect_resumes();
    }
    fs::remove_all(out("failed"));
  }

  void expect_reported(const ProcessResult& failed, int code) {
    EXPECT_EXIT_CODE(failed, code);
    EXPECT_EQ(std::count(failed.err.begin(), failed.err.end(), '\n'), 1) << failed.err;
    const std::regex words(code == 5 ? "out of " : "cudaError|cuBLASLt says");
    EXPECT_TRUE(std::regex_search(failed.err, words)) << failed.err;
    EXPECT_EQ(failed.err.find("internal error"), std::string::npos) << failed.err;
    if (!fs::exists(out("failed"))) return;  // the run had not begun
    const auto status = nlohmann::json::parse(read(out("failed") / "status.json"));
    EXPECT_EQ(status["state"], "failed");
    EXPECT_EQ(status["exit_code"], code);
    EXPECT_EQ(status["reason"].get<std::string>() + "\n", failed.err);
    EXPECT_EQ(status["gpu"], "GPU-656d756c-6174-6564-2047-505520494400");
  }

  void expect_resumes() {
    const bool saved = fs::exists(out("failed") / "checkpoints/last.state.safetensors");
    const ProcessResult resumed = run("failed", {}, {"--resume"});
    EXPECT_EXIT_CODE(resumed, 0);
    EXPECT_EQ(resumed.err, "");  // where a checkpoint is damaged, it says so
    const std::string text = read(out("failed") / "log.txt");
    EXPECT_EQ(text.find("resumed at step") != std::string::npos, saved) << text;
    resumed_ += saved;
    expect_the_same("failed");
  }

  TemporaryFolder folder_;
  FastFolder runs_;  // hundreds of runs with checkpoints
  std::string program_ = folder_ / "engine", file_;
  std::vector<std::string> calls_;  ///< of the run that nothing disturbs
  int unnoticed_ = 0, resumed_ = 0, warned_ = 0;
};

TEST_F(FailingGpu, EndsWithAMessageAndResumesToTheSameBytes) {
  const bool all = std::getenv("ENGINE_LONG_TESTS") != nullptr;
  const std::vector<std::string> errors{"memory", "illegal_address", "launch", "no_device"};
  const size_t step = all ? 1 : std::max<size_t>(calls_.size() / 120, 1);
  int failures = 0;
  for (size_t n = 1, turn = 0; n <= calls_.size(); n += step) {
    for (size_t i = 0; i < (all ? errors.size() : 1); ++i) {
      std::string error = errors[turn++ % errors.size()];
      if (error == "memory" && !allocates(calls_[n - 1])) {
        if (all) continue;
        error = errors[turn++ % errors.size()];
      }
      fail(n, error);
      if (HasFatalFailure()) return;
      ++failures;
    }
  }
  for (size_t n = 1; n <= calls_.size() && !all; ++n) {  // memory at every other allocation
    if (calls_[n - 1] == "cudaMalloc" && n % 2) fail(n, "memory"), ++failures;
    if (HasFatalFailure()) return;
  }
  std::printf(
      "%zu calls; %d failures: %d resumed from a checkpoint, %d after the last result, %d in the "
      "report\n",
      calls_.size(), failures, resumed_, unnoticed_, warned_);
  EXPECT_GE(failures, 100);
  EXPECT_GE(resumed_ * 2, failures);
}

}  // namespace
}  // namespace engine::test
