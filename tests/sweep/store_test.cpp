// Claims and records: what several processes that share a folder may rely on.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>

#include "engine/core/json.h"
#include "engine/sweep/store.h"
#include "engine/sweep/this_process.h"
#include "tests/sweep/sweep_files.h"

namespace engine::test {
namespace {

class Store : public testing::Test {
 protected:
  Store()
      : sweep_(files_.expand(R"({ "base": "small.json", "seeds": [1, 2] })")),
        store_(real_files(), files_.path("out")) {
    store_.begin(sweep_);
  }

  const SweepPoint& point() const { return sweep_.points[0]; }

  Record record(Record::State state = Record::State::done) const {
    return {.state = state, .identity = point().identity, .folder = point().folder};
  }

  std::string claim_file(int attempt) const {
    return store_ / fmt::format("claims/{}.{}", point().identity, attempt);
  }

  /// A claim as another machine would have written it, so many seconds ago.
  void write_foreign_claim(int attempt, double age) const {
    std::ofstream(claim_file(attempt))
        << R"({ "host": "elsewhere", "system": "another", "holder": 1, "begun": 1, "step": 0 })";
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const double seconds = std::chrono::duration<double>(now).count() - age;
    const timespec time{static_cast<time_t>(seconds), 0};
    const timespec times[] = {time, time};
    ASSERT_EQ(::utimensat(AT_FDCWD, claim_file(attempt).c_str(), times, 0), 0);
  }

  SweepFiles files_;
  Sweep sweep_;
  SweepStore store_;
};

TEST_F(Store, OnlyOneClaimsAndTheHolderIsAlive) {
  const auto claim = store_.claim(point());
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->attempt(), 1);
  EXPECT_FALSE(store_.claim(point()));
  EXPECT_TRUE(store_.claim(sweep_.points[1])) << "another point is free";
  EXPECT_TRUE(store_.claim_state(point())->alive);
  EXPECT_TRUE(store_.touch(*claim));
}

TEST_F(Store, OfManyProcessesExactlyOneClaims) {
  constexpr int kProcesses = 16, kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const Sweep sweep =
        files_.expand(fmt::format(R"({{ "base": "small.json", "seeds": [{}] }})", 1000 + round));
    int start[2], told[2], end[2];
    ASSERT_TRUE(::pipe(start) == 0 && ::pipe(told) == 0 && ::pipe(end) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::close(start[1]);
        ::close(end[1]);
        char byte = 0;
        [[maybe_unused]] auto done = ::read(start[0], &byte, 1);  // all begin at once
        const SweepStore store(real_files(), files_.path("out"));
        const char claimed = store.claim(sweep.points[0]) ? 'y' : 'n';
        done = ::write(told[1], &claimed, 1);
        done = ::read(end[0], &byte, 1);  // a holder that has ended could be replaced
        ::_exit(0);
      }
      children.push_back(child);
    }
    ::close(start[0]);
    ::close(start[1]);
    std::string answers(kProcesses, ' ');
    for (char& answer : answers) ASSERT_EQ(::read(told[0], &answer, 1), 1);
    for (const int fd : {told[0], told[1], end[0], end[1]}) ::close(fd);
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
    EXPECT_EQ(std::count(answers.begin(), answers.end(), 'y'), 1) << answers;
    EXPECT_EQ(std::count(answers.begin(), answers.end(), 'n'), kProcesses - 1) << answers;
    const auto state = store_.claim_state(sweep.points[0]);
    ASSERT_TRUE(state);
    EXPECT_EQ(state->attempt, 1);
  }
}

TEST_F(Store, ADeadHolderIsReplacedAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    // this_process() is remembered from the parent; a real holder is its own.
    ::_exit(store_.claim(point()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  // Its file, but with the dead child as the holder.
  Value value = parse_json_or_throw(read_text(claim_file(1)), "claim", ExitCode::storage);
  value.set("holder", static_cast<int64_t>(child));
  std::ofstream(claim_file(1)) << to_json(value);
  const auto state = store_.claim_state(point());
  ASSERT_TRUE(state);
  EXPECT_FALSE(state->alive);
  EXPECT_EQ(state->deaths, 1);
  EXPECT_EQ(store_.claim(point())->attempt(), 2);
}

TEST_F(Store, AProcessIdThatIsUsedAgainIsNotTheHolder) {
  ASSERT_TRUE(store_.claim(point()));
  Value value = parse_json_or_throw(read_text(claim_file(1)), "claim", ExitCode::storage);
  value.set("begun", value.find("begun")->integer() - 1);
  std::ofstream(claim_file(1)) << to_json(value);
  EXPECT_FALSE(store_.claim_state(point())->alive);
}

TEST_F(Store, OfAnotherMachineTheHeartbeatCounts) {
  write_foreign_claim(1, kStaleSeconds - 20);
  EXPECT_TRUE(store_.claim_state(point())->alive);
  EXPECT_FALSE(store_.claim(point()));
  write_foreign_claim(1, kStaleSeconds + 5);
  EXPECT_FALSE(store_.claim_state(point())->alive);
  EXPECT_EQ(store_.claim(point())->attempt(), 2);
}

TEST_F(Store, WhoWasTakenForDeadIsTold) {
  const auto claim = store_.claim(point());
  ASSERT_TRUE(store_.touch(*claim));
  write_foreign_claim(2, 0);
  EXPECT_FALSE(store_.touch(*claim));
}

TEST_F(Store, ADamagedClaimIsAClaimUntilItIsOld) {
  write_foreign_claim(1, 0);
  std::ofstream(claim_file(1)) << "{ \"host";
  EXPECT_TRUE(store_.claim_state(point())->alive);
}

TEST_F(Store, ReleasedAndDiedAreNotAlive) {
  store_.release(*store_.claim(point()));
  EXPECT_TRUE(store_.claim_state(point())->released);
  EXPECT_EQ(store_.claim_state(point())->deaths, 0);
  store_.died(*store_.claim(point()));
  store_.died(*store_.claim(point()));
  EXPECT_EQ(store_.claim_state(point())->attempt, 3);
  EXPECT_EQ(store_.claim_state(point())->deaths, 2) << "since the one that was released";
}

TEST_F(Store, DeathsAreForgottenWhenTheRunGotFurther) {
  store_.died(*store_.claim(point()));
  ASSERT_EQ(store_.claim_state(point())->deaths, 1);
  make_folders(real_files(), store_.run_folder(point()));
  std::ofstream(store_.run_folder(point()) + "/status.json") << R"({ "step": 12 })";
  EXPECT_EQ(store_.claim_state(point())->deaths, 0);
}

TEST_F(Store, ARecordEndsAPointForEverybody) {
  ASSERT_TRUE(store_.claim(point()));
  store_.save(record());
  EXPECT_FALSE(store_.claim_state(point())) << "claims are gone";
  EXPECT_FALSE(store_.claim(point()));
  EXPECT_FALSE(store_.claim_state(point())) << "nothing is left of the attempt to claim it";
  ASSERT_TRUE(store_.record(point()));
  EXPECT_EQ(store_.record(point())->state, Record::State::done);
  store_.forget(point());
  EXPECT_TRUE(store_.claim(point()));
}

TEST_F(Store, ClaimsOnEndedPointsAreTakenAwayAtTheBeginning) {
  store_.died(*store_.claim(point()));
  store_.died(*store_.claim(point()));
  const std::string third = claim_file(3);
  store_.save(record());
  std::ofstream(third) << "{}";  // as if save() had been killed
  store_.begin(sweep_);
  EXPECT_FALSE(exists(third));
}

TEST_F(Store, HalfWrittenFilesOfTheDeadAreTakenAwayAtTheBeginning) {
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(store_ / "claims"))
      found.insert(entry.path().filename());
    return found;
  };
  // Of a process that is killed before its claim has its name.
  const pid_t child = ::fork();
  if (child == 0) {
    class Killed : public FileSystem {
      int link(const std::string&, const std::string&) override { ::_exit(0); }
    } files;
    SweepStore(files, store_.folder()).claim(point());
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0) << "it ended there";
  ASSERT_EQ(names().size(), 1u);
  // Of one on another machine: young and old.
  const std::string young = store_ / "claims/.new.01234567.1.1", old = young + "0";
  std::ofstream(young) << "{}";
  std::ofstream(old) << "{}";
  const timespec time{std::time(nullptr) - 2 * static_cast<time_t>(kStaleSeconds), 0};
  const timespec times[] = {time, time};
  ASSERT_EQ(::utimensat(AT_FDCWD, old.c_str(), times, 0), 0);
  store_.begin(sweep_);
  EXPECT_EQ(names(), std::set<std::string>{".new.01234567.1.1"});
}

TEST_F(Store, ManyProcessesMayBeginAtOnce) {
  constexpr int kProcesses = 12, kTimes = 40;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        // Shards of one sweep, and the same sweep with a key changed.
        Sweep sweep = sweep_;
        const SweepStore store(real_files(), store_.folder());
        for (int time = 0; time < kTimes; ++time) {
          sweep.set = {fmt::format("train.epochs={}", time % 3)};
          store.begin(sweep);
        }
      } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(store_.made_of().file, sweep_.file.path);
}

TEST_F(Store, ADamagedRecordIsNamed) {
  store_.save(record());
  const std::string path = store_ / ("records/" + point().identity + ".json");
  std::ofstream(path) << "{ \"state\": 3 }";
  try {
    store_.record(point());
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
  }
}

TEST(ThisProcess, IsAliveAndOthersAreNot) {
  EXPECT_EQ(is_alive(this_process()), true);
  ProcessPlace other = this_process();
  other.begun -= 1;
  EXPECT_EQ(is_alive(other), false);
  other = this_process();
  other.system = "another boot";
  EXPECT_EQ(is_alive(other), std::nullopt);
}

}  // namespace
}  // namespace engine::test
