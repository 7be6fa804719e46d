// The pass side_streams: which calls may run side by side, and that they do not disturb each other.

#include "engine/graph/streams.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <numeric>

#include "engine/core/device_floats.h"
#include "engine/cpu/cpu_device.h"
#include "kernels/register.h"
#include "tests/graph/random_network.h"
#include "tests/support/lanes.h"
#include "tests/support/study_network.h"

namespace engine::test {
namespace {

Streams regions_of(const std::vector<CallData>& calls, int lanes = 4) {
  Streams streams;
  find_regions(calls, 0, static_cast<int>(calls.size()), lanes, streams);
  return streams;
}

TEST(Regions, AreBetweenTheValueThatBranchesAndTheJoin) {
  // 0 gives 10; 1, 2-3 and 4-5-6 are branches of it that 7 joins; 8 follows.
  const Streams streams = regions_of({{true, {}, {10}},
                                      {true, {10}, {11}},
                                      {true, {10}, {12}},
                                      {true, {12}, {13}},
                                      {true, {10}, {14}},
                                      {true, {14}, {15}},
                                      {true, {15}, {16}},
                                      {true, {11, 13, 16}, {17}},
                                      {true, {17}, {18}}});
  ASSERT_EQ(streams.regions.size(), 1u);
  EXPECT_EQ(streams.regions[0].first, 1);
  EXPECT_EQ(streams.regions[0].last, 6);
  EXPECT_EQ(streams.regions[0].lanes, 3);
  EXPECT_EQ(streams.lane, (std::vector<int>{0, 2, 1, 1, 0, 0, 0, 0, 0}));  // the longest: lane 0
  EXPECT_TRUE(streams.concurrent(1, 6));
  EXPECT_FALSE(streams.concurrent(4, 6));
  EXPECT_FALSE(streams.concurrent(1, 7));
  EXPECT_EQ(streams.region_of(0), nullptr);
  EXPECT_EQ(streams.region_of(7), nullptr);
}

TEST(Regions, AChainHasNone) {
  std::vector<CallData> chain;
  for (int i = 0; i < 9; ++i) chain.push_back({true, {i}, {i + 1}});
  EXPECT_TRUE(regions_of(chain).regions.empty());
}

TEST(Regions, PartsShareLanesWhenThereAreMoreOfThem) {
  std::vector<CallData> calls(7);
  for (int i = 0; i < 7; ++i) calls[static_cast<size_t>(i)].writes = {i};
  const Streams streams = regions_of(calls, 3);
  ASSERT_EQ(streams.regions.size(), 1u);
  EXPECT_EQ(streams.regions[0].lanes, 3);
  EXPECT_EQ(streams.lane, (std::vector<int>{0, 1, 2, 0, 1, 2, 0}));
}

TEST(Regions, WhatDoesNotRunKeepsNobodyWaiting) {
  const Streams streams = regions_of({{true, {1}, {2}}, {false, {1, 2}, {3, 4}}, {true, {4}, {5}}});
  ASSERT_EQ(streams.regions.size(), 1u);
  EXPECT_EQ(streams.regions[0].first, 0);
  EXPECT_EQ(streams.regions[0].last, 2);
  const Streams alone = regions_of({{false, {}, {1}}, {true, {}, {2}}, {false, {}, {3}}});
  EXPECT_TRUE(alone.regions.empty());
}

TEST(Regions, BothWritersOfOnePieceComeBeforeItsReader) {
  const Streams streams =
      regions_of({{true, {}, {1}}, {true, {}, {1}}, {true, {1}, {2}}, {true, {2}, {3}}});
  ASSERT_EQ(streams.regions.size(), 1u);
  EXPECT_EQ(streams.regions[0].last, 1);
}

/// The CPU as if it had lanes. Calls are done when they return, in the order in which they come.
class LanedDevice : public Device {
 public:
  std::string_view kind() const override { return "cpu"; }
  std::string description() const override { return "with lanes"; }
  void* allocate(size_t bytes) override { return cpu_->allocate(bytes); }
  void release(void* memory) noexcept override { cpu_->release(memory); }
  void copy_to_device(void* to, const void* from, size_t bytes) override {
    cpu_->copy_to_device(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    cpu_->copy_to_host(to, from, bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override { cpu_->copy(to, from, bytes); }
  void zero(void* memory, size_t bytes) override { cpu_->zero(memory, bytes); }
  void synchronize() override {}
  bool is_synchronous() const override { return true; }
  std::unique_ptr<Recording> record(std::function<void()> work) override {
    return cpu_->record(std::move(work));
  }
  int lanes() const override { return 4; }
  void fork_lanes(int count) override { log += fmt::format("fork {}, ", count); }
  void use_lane(int lane) override { EXPECT_LT(lane, 4); }
  void join() override { log += "join, "; }

  std::string log;

 private:
  std::unique_ptr<Device> cpu_ = make_cpu_device();
};

/// Loss, logits and gradients of a batch. turned: in each region the last lane comes first.
struct Computed {
  Computed(const SmallNetwork& network, Device& device, Program& program, bool turned)
      : store(device, Precision::fp32) {
    program.define(store);
    store.allocate(true, 0);
    store.initialize(1);
    Buffer arena(device, program.arena_bytes()), at(device, sizeof(StepState));
    std::memset(arena.data(), 0xff, arena.bytes());
    program.bind(store, static_cast<std::byte*>(arena.data()));
    const RandomBatch batch(network, 3);
    std::vector<int32_t> samples(batch.labels.size());
    std::iota(samples.begin(), samples.end(), 0);
    device.zero(at.data(), at.bytes());
    program.args() = {.state = static_cast<StepState*>(at.data()),
                      .samples = samples.data(),
                      .labels = batch.labels.data(),
                      .training = true};
    write_floats(device, program.input().data, batch.images, program.input().dtype);
    if (turned) {
      run_turned(program);
    } else {
      program.forward(true);
      program.backward();
    }
    loss = static_cast<StepState*>(at.data())->loss_sum;
    gradients = store.export_gradients();
  }

  static void run_turned(Program& program) {
    const Streams& streams = program.placement().streams;
    const int nodes = static_cast<int>(program.nodes());
    const auto run = [&](int time) {
      const auto i = static_cast<size_t>(time < nodes ? time : 2 * nodes - 1 - time);
      if (time < nodes ? !program.runs_forward(i) : !program.runs_backward(i)) return;
      time < nodes ? program.forward_node(i) : program.backward_node(i);
    };
    for (int time = 0; time < 2 * nodes; ++time) {
      const Region* region = streams.region_of(time);
      if (!region) {
        run(time);
        continue;
      }
      for (int lane = region->lanes - 1; lane >= 0; --lane) {
        for (time = region->first; time <= region->last; ++time) {
          if (streams.lane[static_cast<size_t>(time)] == lane) run(time);
        }
      }
      --time;  // the loop goes on behind the region
    }
  }

  ParameterStore store;
  double loss = 0;
  std::vector<NamedTensor> gradients;
};

/// Returns the number of regions.
size_t expect_lanes_apart(const SmallNetwork& network) {
  LanedDevice device;
  Program program(program_setup(network, device, Mode::training));
  EXPECT_EQ(disturbed_lanes(program), std::vector<std::string>());
  const Program evaluation(program_setup(network, device, Mode::evaluation));
  EXPECT_EQ(disturbed_lanes(evaluation), std::vector<std::string>());

  ProgramSetup plain_setup = program_setup(network, device, Mode::training);
  plain_setup.passes.side_streams = false;
  Program plain(plain_setup);
  EXPECT_TRUE(plain.placement().streams.regions.empty());
  const Computed alone(network, device, plain, false);
  EXPECT_EQ(device.log, "");
  const Computed beside(network, device, program, false);
  std::string forks;
  for (const Region& each : program.placement().streams.regions) {
    forks += fmt::format("fork {}, join, ", each.lanes);
  }
  EXPECT_EQ(device.log, forks);
  const Computed turned(network, device, program, true);
  EXPECT_EQ(beside.loss, alone.loss);
  EXPECT_EQ(turned.loss, alone.loss);
  EXPECT_TRUE(same_bits(beside.gradients, alone.gradients));
  EXPECT_TRUE(same_bits(turned.gradients, alone.gradients));
  return program.placement().streams.regions.size();
}

TEST(SideStreams, TheStudysBranchesRunSideBySide) {
  const SmallNetwork network(study_network(2), register_ops(), make_cpu_device());
  EXPECT_EQ(expect_lanes_apart(network), 4u);  // two blocks, forward and backward
  LanedDevice device;
  const Program program(program_setup(network, device, Mode::training));
  for (const Region& region : program.placement().streams.regions) EXPECT_EQ(region.lanes, 4);
}

TEST(SideStreams, ShortcutsWithoutWorkLeaveAChain) {
  const SmallNetwork network(shipped_network("residual.json", 3, 2), register_ops(),
                             make_cpu_device());
  EXPECT_EQ(expect_lanes_apart(network), 0u);
}

TEST(SideStreams, RandomNetworksLanesDoNotDisturbEachOther) {
  const uint32_t count = std::getenv("ENGINE_LONG_TESTS") ? 500 : 40;
  size_t regions = 0;
  for (uint32_t seed = 1; seed <= count; ++seed) {
    const std::string json = RandomNetwork(seed).json();
    SCOPED_TRACE(json);
    regions += expect_lanes_apart(SmallNetwork::from_text(json));
    if (HasFailure()) return;
  }
  EXPECT_GT(regions, count);
}

}  // namespace
}  // namespace engine::test
