// Which point of a shard is next.

#include "engine/sweep/point_queue.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/sweep/sweep_files.h"

namespace engine::test {
namespace {

using Kind = PointQueue::Next::Kind;

class Queue : public testing::Test {
 protected:
  void open(const std::string& text) {
    sweep_ = files_.expand(text);
    store_.begin(sweep_);
  }
  Record ended(size_t point, Record::State state) const {
    return {
        .state = state, .identity = sweep_.points[point].identity, .configuration = "a", .seed = 1};
  }
  /// As a process of another machine claims a point: it is alive while its file is fresh.
  void claim_elsewhere(size_t point) const {
    std::ofstream(store_ / ("claims/" + sweep_.points[point].identity + ".1"))
        << R"({ "host": "elsewhere", "system": "another", "holder": 1, "begun": 1, "step": 0 })";
  }

  SweepFiles files_;
  Sweep sweep_;
  SweepStore store_{real_files(), files_.path("out")};
};

TEST_F(Queue, GivesEveryPointOnceAndThenWaits) {
  open(R"({ "base": "small.json", "seeds": [1, 2, 3] })");
  PointQueue queue(sweep_, store_, {});
  std::set<size_t> active;
  for (size_t i = 0; i < 3; ++i) {
    const auto next = queue.next(active);
    ASSERT_EQ(next.kind, Kind::start);
    EXPECT_EQ(next.point, i);
    active.insert(i);
  }
  EXPECT_EQ(queue.next(active).kind, Kind::wait);
  for (size_t i = 0; i < 3; ++i) {
    store_.save(ended(i, Record::State::done));
    queue.set_ended(i, ended(i, Record::State::done));
  }
  EXPECT_EQ(queue.next({}).kind, Kind::none);
}

TEST_F(Queue, WaitsForWhatOthersWorkOn) {
  // A node that has failed is taken for alive for a while: a shard that ended meanwhile would leave
  // its point undone.
  open(R"({ "base": "small.json" })");
  PointQueue queue(sweep_, store_, {});
  claim_elsewhere(0);
  EXPECT_EQ(queue.next({}).kind, Kind::wait);
  store_.save(ended(0, Record::State::done));
  EXPECT_EQ(queue.next({}).kind, Kind::none);
}

TEST_F(Queue, DoesWhatItsPointNeedsFromAnotherShard) {
  open(R"({ "base": "small.json", "points": [ { "name": "a" },
            { "name": "b", "after": "a", "set": { "train.epochs": 2 } } ] })");
  PointQueue queue(sweep_, store_, {.index = 1, .count = 2});
  const auto next = queue.next({});
  EXPECT_EQ(next.kind, Kind::start);
  EXPECT_EQ(next.point, 0u);
  EXPECT_EQ(queue.next({0}).kind, Kind::wait);
  queue.set_ended(0, ended(0, Record::State::done));
  store_.save(ended(0, Record::State::done));
  EXPECT_EQ(queue.next({}).point, 1u);
}

TEST_F(Queue, SkipsWhatStartsFromAPointThatFailed) {
  open(R"({ "base": "small.json", "points": [ { "name": "a" },
            { "name": "b", "after": "a", "set": { "train.epochs": 2 } } ] })");
  PointQueue queue(sweep_, store_, {});
  store_.save(ended(0, Record::State::failed));
  const auto next = queue.next({});
  EXPECT_EQ(next.kind, Kind::end);
  EXPECT_EQ(next.point, 1u);
  EXPECT_EQ(next.record.state, Record::State::skipped);
  EXPECT_EQ(next.record.reason, "\"a\", seed 1, which it starts from, failed");
}

TEST_F(Queue, APointWhoseProcessDiesAgainAndAgainHasFailed) {
  open(R"({ "base": "small.json", "attempts": 2 })");
  PointQueue queue(sweep_, store_, {});
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const auto next = queue.next({});
    ASSERT_EQ(next.kind, Kind::start);
    EXPECT_EQ(next.claim->attempt(), attempt);
    store_.died(*next.claim);
  }
  const auto next = queue.next({});
  EXPECT_EQ(next.kind, Kind::end);
  EXPECT_EQ(next.record.state, Record::State::failed);
  EXPECT_EQ(next.record.reason, "its process died 2 times without getting further");
}

TEST_F(Queue, PutsOff) {
  open(R"({ "base": "small.json" })");
  PointQueue queue(sweep_, store_, {});
  queue.put_off(0, std::chrono::hours(1));
  EXPECT_EQ(queue.next({}).kind, Kind::wait);
}

TEST(Shards, CoverAllPointsOnce) {
  const SweepFiles files;
  const Sweep sweep =
      files.expand(R"({ "base": "small.json", "seeds": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] })");
  const SweepStore store(real_files(), files.path("out"));
  for (const int64_t count : {1, 2, 3, 7, 11, 20}) {
    size_t next = 0;
    for (int64_t index = 0; index < count; ++index) {
      const PointQueue queue(sweep, store, {index, count});
      EXPECT_EQ(queue.first(), next);
      next = queue.last();
    }
    EXPECT_EQ(next, 11u);
  }
}

TEST(Shards, AreReadStrictly) {
  EXPECT_EQ(parse_shard("7/8").index, 7);
  for (const char* wrong : {"", "8/8", "-1/8", "1", "1/", "/8", "1/0", "1 /8", "1/8x"})
    EXPECT_THROW(parse_shard(wrong), Error) << wrong;
}

}  // namespace
}  // namespace engine::test
