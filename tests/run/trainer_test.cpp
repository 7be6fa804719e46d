#include "engine/run/trainer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "engine/run/checkpoint.h"
#include "tests/run/training_child.h"

namespace engine {
namespace {

using test::FastFolder;
using test::FaultFiles;
using test::Job;
using Json = nlohmann::json;

Json json_of(const std::string& path) {
  return Json::parse(read_text(path));
}

/// The undisturbed run, made once.
class Trainer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new FastFolder;
    code_ = test::run({.folder = *folder_ / ""});
    expected_ = test::fingerprints(*folder_ / "run");
  }
  static void TearDownTestSuite() { delete folder_; }
  void SetUp() override {
    ASSERT_EQ(code_, 0) << read_text(*folder_ / "err.txt");
    for (const auto& [name, hash] : expected_) ASSERT_NE(hash, "missing") << name;
  }
  static Job job(const FastFolder& folder) { return {.folder = folder / ""}; }

  static inline FastFolder* folder_ = nullptr;
  static inline int code_ = -1;
  static inline std::map<std::string, std::string> expected_;
};

TEST_F(Trainer, LeavesARunFolderThatPeopleAndProgramsCanRead) {
  const std::string run = *folder_ / "run/";
  const Json results = json_of(run + "results.json");
  EXPECT_EQ(results["epochs"], 3);
  EXPECT_EQ(results["classes"].size(), 10u);
  int64_t right = 0, all = 0;
  for (size_t label = 0; label < 10; ++label) {
    int64_t support = 0;
    for (size_t guess = 0; guess < 10; ++guess)
      support += results["confusion_matrix"][label][guess].get<int64_t>();
    EXPECT_EQ(results["per_class"][label]["support"], support);
    right += results["confusion_matrix"][label][label].get<int64_t>();
    all += support;
  }
  EXPECT_EQ(results["test"]["samples"], all);
  EXPECT_DOUBLE_EQ(results["test"]["accuracy"],
                   static_cast<double>(right) / static_cast<double>(all));
  const std::string metrics = read_text(run + "metrics.csv");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 4);
  const Json status = json_of(run + "status.json");
  EXPECT_EQ(status["state"], "finished");
  EXPECT_EQ(status["step"], 3 * test::kStepsPerEpoch);
  EXPECT_EQ(status["exit_code"], 0);
  const Json environment = json_of(run + "environment.json");
  for (const char* key :
       {"engine_version", "compiler", "cpu", "threads", "instruction_sets", "libraries"}) {
    EXPECT_TRUE(environment.contains(key)) << key;
  }
  EXPECT_NE(read_text(run + "log.txt").find("test loss"), std::string::npos);
  const SavedRun saved = load_run(run);
  EXPECT_EQ(saved.epoch, results["best_epoch"]);
  EXPECT_EQ(saved.classes.size(), 10u);
  EXPECT_FALSE(saved.statistics.empty()) << "normalize measures";
}

TEST_F(Trainer, TheSameRunTwiceGivesTheSameBytes) {
  const FastFolder folder;
  ASSERT_EQ(test::run(job(folder)), 0);
  EXPECT_EQ(test::fingerprints(folder / "run"), expected_);
  EXPECT_EQ(test::run(job(folder)), 0) << "resuming a finished run changes nothing";
  EXPECT_EQ(test::fingerprints(folder / "run"), expected_);
  Job other = job(folder);
  other.set = {"seed=6"};
  other.out = "other";
  ASSERT_EQ(test::run(other), 0);
  EXPECT_NE(test::fingerprints(folder / "other"), expected_);
}

TEST_F(Trainer, SavingOftenOrNeverChangesNothing) {
  const FastFolder folder;
  for (const int every : {0, 1, 3}) {
    Job quiet = job(folder);
    quiet.out = std::to_string(every);
    quiet.set = {fmt::format("train.checkpoint.every_steps={}", every)};
    ASSERT_EQ(test::run(quiet), 0);
    auto hashes = test::fingerprints(folder / quiet.out);
    for (const auto name :
         {run_files::kBest, run_files::kLast, run_files::kMetrics, run_files::kResults}) {
      EXPECT_EQ(hashes[std::string(name)], expected_[std::string(name)]) << every << " " << name;
    }
  }
}

/// Killed right after the save of every step in turn: no sample is lost or used twice, or the sums,
/// weights and statistics would differ.
TEST_F(Trainer, ResumesBitIdenticallyAfterEveryStep) {
  const FastFolder undisturbed;
  Job often = job(undisturbed);
  often.set = {"train.checkpoint.every_steps=1"};
  ASSERT_EQ(test::run(often), 0);
  const auto expected = test::fingerprints(undisturbed / "run");
  int saves = 0;
  for (;; ++saves) {
    const FastFolder folder;
    Job job = often;
    job.folder = folder / "";
    job.arm = [saves](FaultFiles& files) {
      files.kill_at = "state: end";
      files.kill_after = saves;
    };
    const int code = test::run(job);
    if (code == 0) break;  // there are fewer saves than that
    ASSERT_EQ(code, -SIGKILL);
    job.arm = nullptr;
    ASSERT_EQ(test::run(job), 0) << read_text(folder / "err.txt");
    EXPECT_EQ(test::fingerprints(folder / "run"), expected) << "after " << saves + 1 << " saves";
    EXPECT_NE(read_text(folder / "err.txt").find("resumed at step"), std::string::npos);
  }
  EXPECT_EQ(saves, 3 * test::kStepsPerEpoch);
}

/// A signal that arrives inside a save or between two; whichever, the step under way is finished,
/// the state saved, and the run goes on as if nothing had been.
TEST_F(Trainer, SignalsStopWithACheckpointAndExit75) {
  const std::vector<int> signals{SIGTERM, SIGINT, SIGHUP, SIGUSR2};
  for (size_t i = 0; i < 12; ++i) {
    const int signal = signals[i % 4];
    const FastFolder folder;
    Job job = this->job(folder);
    job.arm = [&, at = static_cast<int>(i)](FaultFiles& files) {
      files.on_point = [signal, left = at](std::string_view name) mutable {
        if (name != "state: end" && name != "metrics: end") return;
        if (left-- != 0) return;
        const int times = signal == SIGINT ? 1 : 10;  // a burst counts once
        for (int n = 0; n < times; ++n) raise(signal);
      };
    };
    const int code = test::run(job);
    if (code == 0) break;  // it came after the last step
    ASSERT_EQ(code, 75) << read_text(folder / "err.txt");
    const Json status = json_of(folder / "run/status.json");
    EXPECT_EQ(status["state"], "stopped");
    EXPECT_EQ(status["exit_code"], 75);
    EXPECT_FALSE(exists(folder / "run/results.json"));
    job.arm = nullptr;
    ASSERT_EQ(test::run(job), 0);
    EXPECT_EQ(test::fingerprints(folder / "run"), expected_) << strsignal(signal) << " " << i;
  }
}

/// At random moments, so also while the last step of an epoch or a validation runs.
TEST_F(Trainer, SignalsAtRandomMomentsChangeNothing) {
  std::mt19937 random(11);
  const auto start = std::chrono::steady_clock::now();
  const FastFolder measured;
  ASSERT_EQ(test::run(job(measured)), 0);
  const auto whole = std::chrono::steady_clock::now() - start;
  int stopped = 0;
  const int trials = test::long_tests() ? 1000 : 40;
  for (int i = 0; i < trials; ++i) {
    const FastFolder folder;
    int code = -1;
    for (int attempt = 0; attempt < 50 && code != 0; ++attempt) {
      const pid_t child = test::start(job(folder));
      std::this_thread::sleep_for(whole * std::uniform_real_distribution<double>(0.1, 1)(random));
      if (attempt < 49) kill(child, SIGTERM);
      code = test::wait_for(child);
      ASSERT_TRUE(code == 0 || code == 75 || code == -SIGTERM)
          << code << read_text(folder / "err.txt");
      stopped += code == 75;
    }
    ASSERT_EQ(test::fingerprints(folder / "run"), expected_) << i;
  }
  std::printf("%d runs stopped\n", stopped);
  EXPECT_GT(stopped, trials / 8);
}

TEST_F(Trainer, ASecondInterruptStopsAtOnce) {
  const FastFolder folder;
  Job job = this->job(folder);
  job.arm = [](FaultFiles& files) {
    files.on_point = [](std::string_view name) {
      if (name != "state: written") return;
      raise(SIGINT);
      raise(SIGINT);
    };
  };
  EXPECT_EQ(test::run(job), -SIGINT);
  job.arm = nullptr;
  ASSERT_EQ(test::run(job), 0);
  EXPECT_EQ(test::fingerprints(folder / "run"), expected_);
}

TEST_F(Trainer, MoreEpochsContinueAsIfTheyHadBeenAskedForAtOnce) {
  const FastFolder folder;
  const std::vector<std::string> constant{"train.schedule.type=constant"};
  Job whole = job(folder);
  whole.out = "whole";
  whole.set = {constant[0], "train.epochs=5"};
  ASSERT_EQ(test::run(whole), 0);
  Job part = job(folder);
  part.set = constant;
  ASSERT_EQ(test::run(part), 0);
  part.set = whole.set;
  ASSERT_EQ(test::run(part), 0);
  EXPECT_EQ(test::fingerprints(folder / "run"), test::fingerprints(folder / "whole"));
  EXPECT_NE(read_text(folder / "run/log.txt").find("train.epochs: 3 -> 5: identical"),
            std::string::npos);
}

TEST_F(Trainer, EarlyStoppingKeepsTheBestAndMoreEpochsDoNotChangeIt) {
  const FastFolder folder;
  Job job = this->job(folder);
  // No epoch improves by 100, so the first stays the best.
  job.set = {"train.early_stopping.min_delta=100", "train.early_stopping.patience=2",
             "train.epochs=9", "train.schedule.type=constant"};
  ASSERT_EQ(test::run(job), 0);
  Json results = json_of(folder / "run/results.json");
  EXPECT_EQ(results["epochs"], 3);
  EXPECT_EQ(results["best_epoch"], 1);
  EXPECT_EQ(results["tested_epoch"], 1);
  EXPECT_EQ(results["stopped_early"], true);
  const auto before = test::fingerprints(folder / "run");
  job.set[2] = "train.epochs=50";
  ASSERT_EQ(test::run(job), 0);
  EXPECT_EQ(json_of(folder / "run/results.json")["epochs"], 3);
  EXPECT_EQ(test::fingerprints(folder / "run").at("checkpoints/last.safetensors"),
            before.at("checkpoints/last.safetensors"));
  EXPECT_NE(read_text(folder / "err.txt").find("raise train.early_stopping.patience"),
            std::string::npos);
  job.set[1] = "train.early_stopping.patience=4";
  ASSERT_EQ(test::run(job), 0);
  EXPECT_EQ(json_of(folder / "run/results.json")["epochs"], 5);

  Job last = this->job(folder);
  last.out = "last";
  last.set = {"train.early_stopping.min_delta=100", "train.early_stopping.patience=2",
              "train.early_stopping.restore_best=false", "train.epochs=9"};
  ASSERT_EQ(test::run(last), 0);
  results = json_of(folder / "last/results.json");
  EXPECT_EQ(results["best_epoch"], 1);
  EXPECT_EQ(results["tested_epoch"], 3);
}

TEST_F(Trainer, WithoutValidationTheLastEpochCounts) {
  const FastFolder folder;
  Job job = this->job(folder);
  job.set = {"data.validation=0", "train.early_stopping=null", "train.shuffle=false"};
  ASSERT_EQ(test::run(job), 0) << read_text(folder / "err.txt");
  EXPECT_EQ(json_of(folder / "run/results.json")["tested_epoch"], 3);
  EXPECT_NE(read_text(folder / "run/metrics.csv").find(",,\n"), std::string::npos);
  job.set = {"data.validation=0"};
  job.out = "refused";
  EXPECT_EQ(test::run(job), 3);
  EXPECT_FALSE(exists(folder / "refused"));
}

TEST_F(Trainer, DivergenceExitsWith6AndKeepsTheLastGoodCheckpoint) {
  const FastFolder folder;
  Job job = this->job(folder);
  job.set = {R"(train.optimizer={"type": "sgd", "learning_rate": 0.01})"};
  ASSERT_EQ(test::run(job), 0) << read_text(folder / "err.txt");
  const auto before = test::fingerprints(folder / "run");
  // Weight decay with a rate far too high: every step multiplies the weights by -1e9.
  job.set = {R"(train.optimizer={"type": "sgd", "learning_rate": 1e6, "weight_decay": 1000})",
             "train.epochs=9"};
  EXPECT_EQ(test::run(job), 6);
  const std::string text = read_text(folder / "err.txt");
  EXPECT_TRUE(text.find("NaN or Inf") != std::string::npos) << text;
  EXPECT_EQ(json_of(folder / "run/status.json")["state"], "failed");
  const auto state = CheckpointStore(real_files(), folder / "run").load();
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->damaged.empty());
  for (const auto* tensors : {&state->state.weights, &state->state.moments, &state->state.best}) {
    for (const NamedTensor& tensor : *tensors) {
      for (int64_t i = 0; i < tensor.elements(); ++i)
        ASSERT_TRUE(std::isfinite(tensor.f32()[i])) << tensor.name;
    }
  }
  EXPECT_EQ(test::fingerprints(folder / "run").at("checkpoints/best.safetensors"),
            before.at("checkpoints/best.safetensors"));
}

TEST_F(Trainer, OtherConditionsAreAnnouncedOrRefused) {
  const FastFolder folder;
  Job job = this->job(folder);
  job.arm = [](FaultFiles& files) {
    files.kill_at = "state: end";
    files.kill_after = 3;
  };
  ASSERT_EQ(test::run(job), -SIGKILL);
  job.arm = nullptr;
  const auto before = test::fingerprints(folder / "run");
  const std::vector<std::pair<std::string, int>> refused{
      {"train.batch_size=12", 3}, {"seed=9", 3},        {"network.conv.filters=7", 3},
      {"train.shuffle=false", 3}, {"data.count=50", 3}, {"train.optimizer.type=sgd", 3},
  };
  for (const auto& [change, code] : refused) {
    job.set = {change};
    EXPECT_EQ(test::run(job), code) << change << read_text(folder / "err.txt");
    EXPECT_EQ(test::fingerprints(folder / "run"), before) << change;
  }
  job.set = {"train.optimizer.learning_rate=0.02"};
  EXPECT_EQ(test::run(job), 0);
  EXPECT_NE(read_text(folder / "run/log.txt")
                .find("learning_rate: 0.01 -> 0.02: continues, not bit-identical"),
            std::string::npos);
}

TEST_F(Trainer, StartsFromARunOrAFileAndNamesWhatDoesNotFit) {
  const FastFolder folder;
  Job job = this->job(folder);
  job.set = {"train.epochs=1", "train.schedule.type=constant"};
  ASSERT_EQ(test::run(job), 0);
  std::map<std::string, std::string> warm[2];
  const std::string sources[] = {folder / "run", folder / "run/checkpoints/best.safetensors"};
  for (int i = 0; i < 2; ++i) {
    job.out = "warm" + std::to_string(i);
    job.from = sources[i];
    ASSERT_EQ(test::run(job), 0) << read_text(folder / "err.txt");
    warm[i] = test::fingerprints(folder / job.out);
  }
  EXPECT_EQ(warm[0], warm[1]);
  EXPECT_NE(warm[0].at("checkpoints/last.safetensors"),
            test::fingerprints(folder / "run").at("checkpoints/last.safetensors"));
  job.out = "misfit";
  job.set.push_back("network.conv.filters=7");
  EXPECT_NE(test::run(job), 0);
  EXPECT_NE(read_text(folder / "err.txt").find("conv"), std::string::npos);
  EXPECT_FALSE(exists(folder / "misfit"));
  job.from = folder / "nowhere";
  EXPECT_EQ(test::run(job), 4);
}

TEST_F(Trainer, ADamagedNewestCheckpointCostsNothingButTime) {
  std::mt19937 random(3);
  for (int i = 0; i < (test::long_tests() ? 100 : 8); ++i) {
    const FastFolder folder;
    Job job = this->job(folder);
    job.arm = [i](FaultFiles& files) {
      files.kill_at = "state: end";
      files.kill_after = 1 + i % 7;
    };
    ASSERT_EQ(test::run(job), -SIGKILL);
    const std::string path = folder / "run/checkpoints/last.state.safetensors";
    std::string content = read_text(path);
    const size_t place = random() % content.size();
    if (i % 2 == 0) {
      content[place] = static_cast<char>(content[place] ^ (1 << random() % 8));
    } else {
      content.resize(place);
    }
    save_file(real_files(), path, content, {.durable = false});
    job.arm = nullptr;
    ASSERT_EQ(test::run(job), 0);
    EXPECT_NE(read_text(folder / "err.txt").find("the newest checkpoint is damaged"),
              std::string::npos);
    EXPECT_EQ(test::fingerprints(folder / "run"), expected_);
  }
}

/// Any call that fails anywhere in a run: 7 (or the run does not need it), and a later resume ends
/// where the undisturbed run does.
TEST_F(Trainer, AStorageErrorAnywhereExitsWith7AndCanBeResumed) {
  const int stride = test::long_tests() ? 1 : 23;
  int failed = 0;
  for (int64_t k = 0;; k += stride) {
    const FastFolder folder;
    Job job = this->job(folder);
    job.arm = [k](FaultFiles& files) {
      files.fault = FaultFiles::Fault::error;
      files.error = k % 2 ? ENOSPC : EIO;
      files.at = k;
    };
    const int code = test::run(job);
    ASSERT_TRUE(code == 0 || code == 7)
        << "call " << k << " " << code << read_text(folder / "err.txt");
    failed += code == 7;
    job.arm = nullptr;
    if (code == 7) {
      ASSERT_EQ(test::run(job), 0) << read_text(folder / "err.txt");
    }
    EXPECT_EQ(test::fingerprints(folder / "run"), expected_) << "call " << k;
    if (k > 700) break;  // the whole run has fewer
  }
  EXPECT_GT(failed, 10);
}

TEST_F(Trainer, AFullDiskIsForeseenBeforeTraining) {
  const FastFolder folder;
  Job job = this->job(folder);
  job.arm = [](FaultFiles& files) { files.free = 1000; };
  EXPECT_EQ(test::run(job), 7);
  const std::string text = read_text(folder / "err.txt");
  EXPECT_NE(text.find("1.0 kB free"), std::string::npos) << text;
  EXPECT_EQ(text.find("epoch 1/3"), std::string::npos) << text;
  job.arm = nullptr;
  EXPECT_EQ(test::run(job), 0);
  EXPECT_EQ(test::fingerprints(folder / "run"), expected_);
}

TEST_F(Trainer, ASecondProcessIsTurnedAwayWith9) {
  const FastFolder folder;
  int held[2], release[2];
  ASSERT_TRUE(pipe(held) == 0 && pipe(release) == 0);
  Job first = job(folder);
  first.arm = [&](FaultFiles& files) {
    files.on_point = [&](std::string_view name) {
      if (name != "state: begin") return;
      char byte = 'x';
      if (write(held[1], &byte, 1) != 1 || read(release[0], &byte, 1) != 1) _exit(1);
    };
  };
  const pid_t child = test::start(first);
  char byte;
  ASSERT_EQ(read(held[0], &byte, 1), 1);
  for (const bool resume : {true, false}) {
    Job second = job(folder);
    second.resume = resume;
    second.overwrite = !resume;
    second.log = "second.txt";
    EXPECT_EQ(test::run(second), 9);
  }
  const std::string many(100, 'x');
  ASSERT_EQ(write(release[1], many.data(), many.size()), 100);
  EXPECT_EQ(test::wait_for(child), 0);
  EXPECT_EQ(test::fingerprints(folder / "run"), expected_);
}

}  // namespace
}  // namespace engine
