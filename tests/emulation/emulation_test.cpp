// The emulation runs kernels rightly and catches the mistakes that it is there to catch.

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <stdexcept>

#include "engine/core/error.h"
#include "tests/emulation/broken_kernels.h"
#include "tests/emulation/emulator.h"
#include "tests/emulation/kernel_table.h"
#include "tests/support/guarded_buffer.h"

namespace engine::test {
namespace {

using Floats = std::vector<float>;

struct Launched {
  Floats out;
  bool intact = false;
  std::string problem;
};

Launched launched(const std::string& kernel) {
  CudaDevice device(0);
  GuardedTensor in(device, Shape{1, 1, 1, 64}), out(device, Shape{1, 1, 1, 64});
  Floats numbers(64);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  in.write(numbers);
  Launched result;
  try {
    run_kernel(device, kernel, in.data(), out.data());
  } catch (const std::runtime_error& error) {
    result.problem = error.what();
  }
  result.out = out.read();
  result.intact = out.intact() && in.intact();
  return result;
}

TEST(Emulation, RunsThreadsThroughBarriers) {
  for (int turn = 0; turn < 6; ++turn) {
    const Launched got = launched("rotate");
    EXPECT_EQ(got.problem, "");
    EXPECT_TRUE(got.intact);
    for (int i = 0; i < 64; ++i) EXPECT_EQ(got.out[i], (i + 1) % 64);
  }
}

// The address sanitizer says something when it was not told of a stack.
TEST(Emulation, RunsThreadsThatThrow) {
  testing::internal::CaptureStderr();
  const Launched got = launched("throws");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(got.problem, "");
  for (int i = 0; i < 64; ++i) EXPECT_EQ(got.out[i], 2 * i);
}

TEST(Emulation, CatchesAMissingBarrier) {
  if (emulated::sanitized()) GTEST_SKIP() << "shared memory is guarded instead of full of NaN";
  for (int turn = 0; turn < 3; ++turn) {  // in order, backwards, shuffled
    int wrong = 0;
    const Launched got = launched("missing barrier");
    for (int i = 0; i < 64; ++i) wrong += got.out[i] != static_cast<float>((i + 1) % 64);
    EXPECT_GT(wrong, 0) << turn;
  }
}

TEST(Emulation, CatchesAStoreOutOfBounds) {
  if (emulated::sanitized()) GTEST_SKIP() << "ends the program: sanitizer_test.cpp";
  EXPECT_FALSE(launched("out of bounds").intact);
}

TEST(Emulation, CatchesAnElementThatNobodyWrites) {
  EXPECT_TRUE(std::isnan(launched("unwritten").out[5]));
}

TEST(Emulation, CatchesSharedMemoryThatNobodyWrote) {
  if (emulated::sanitized()) GTEST_SKIP() << "shared memory is guarded instead of full of NaN";
  const Launched got = launched("uninitialised");
  EXPECT_TRUE(std::isnan(got.out[7]));
  EXPECT_EQ(got.out[8], 1);
}

TEST(Emulation, CatchesBarriersThatNotAllReach) {
  EXPECT_NE(launched("branch").problem.find("16 threads wait at"), std::string::npos)
      << launched("branch").problem;
  EXPECT_NE(launched("two barriers").problem.find("different barriers"), std::string::npos)
      << launched("two barriers").problem;
  EXPECT_NE(launched("lanes").problem.find("lanes that do not come"), std::string::npos)
      << launched("lanes").problem;
}

TEST(Emulation, CatchesMemoryOfTheHost) {
  CudaDevice device(0);
  const Buffer memory(device, 64 * sizeof(float));
  Floats host(64);
  try {
    run_kernel(device, "rotate", host.data(), memory.f32());
    ADD_FAILURE();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("memory of the host"), std::string::npos);
  }
}

TEST(Emulation, RecordsLibraryCallsOfACapture) {
  CudaDevice device(0);
  int runs = 0;
  const auto call = [&] {
    return emulated::library_call(device.stream(), "library", [&] { ++runs; });
  };
  EXPECT_EQ(call(), cudaSuccess);
  EXPECT_EQ(runs, 1);
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  cudaStreamBeginCapture(device.stream(), cudaStreamCaptureModeThreadLocal);
  EXPECT_EQ(call(), cudaSuccess);
  cudaStreamEndCapture(device.stream(), &graph);
  cudaGraphInstantiate(&executable, graph, 0);
  EXPECT_EQ(runs, 1);
  cudaGraphLaunch(executable, device.stream());
  cudaGraphLaunch(executable, device.stream());
  EXPECT_EQ(runs, 3);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  emulated::fail_call(1, cudaErrorLaunchFailure);
  EXPECT_EQ(call(), cudaErrorLaunchFailure);
  EXPECT_EQ(runs, 3);
  emulated::fail_call(0, cudaSuccess);
}

TEST(Emulation, MakesAnyCallFail) {
  emulated::fail_call(1, cudaErrorMemoryAllocation);
  try {
    CudaDevice device(0);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::out_of_memory);
  }
  emulated::fail_call(0, cudaSuccess);
}

TEST(Emulation, LosesTheGpuButForAFailedAllocation) {
  CudaDevice device(0);
  emulated::fail_call(2, cudaErrorIllegalAddress);
  EXPECT_EQ(cudaStreamSynchronize(device.stream()), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(device.stream()), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaStreamSynchronize(device.stream()), cudaErrorIllegalAddress);
  emulated::fail_call(1, cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaStreamSynchronize(device.stream()), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaStreamSynchronize(device.stream()), cudaSuccess);
  emulated::fail_call(0, cudaSuccess);
}

TEST(Emulation, RecordsNothingThatAGpuWouldRefuse) {
  CudaDevice device(0);
  const Buffer before(device, 8);
  EXPECT_THROW(device.record([&] { Buffer(device, 8); }), Error);
  EXPECT_THROW(device.record([&] { device.synchronize(); }), Error);
  EXPECT_THROW(device.record([&] { device.copy_to_host(nullptr, before.data(), 8); }), Error);
  device.record([&] { device.zero(before.data(), 8); })->replay();
}

/// Work that leaves a letter.
void write_letter(CudaDevice& device, std::string& text, char letter) {
  EXPECT_EQ(emulated::library_call(device.stream(), "letter", [&, letter] { text += letter; }),
            cudaSuccess);
}

TEST(Emulation, ReplaysLanesInAllOrdersThatTheirWaitsAllow) {
  CudaDevice device(0);
  std::string text;
  const auto step = device.record([&] {
    write_letter(device, text, '(');
    DeviceFork fork(device, 2);
    for (const char letter : {'a', 'b'}) write_letter(device, text, letter);
    device.use_lane(1);
    write_letter(device, text, 'C');
    fork.join();
    write_letter(device, text, ')');
  });
  std::set<std::string> texts;
  for (int replay = 0; replay < 50; ++replay) {
    text.clear();
    step->replay();
    texts.insert(text);
  }
  EXPECT_EQ(texts, (std::set<std::string>{"(Cab)", "(aCb)", "(abC)"}));
}

TEST(Emulation, CatchesALaneThatReadsWhatAnotherWrites) {
  CudaDevice device(0);
  Buffer from(device, 4), between(device, 4), to(device, 4);
  const int numbers[2] = {1, 2};
  device.copy_to_device(from.data(), &numbers[0], 4);
  const auto step = device.record([&] {
    device.zero(between.data(), 4);
    DeviceFork fork(device, 2);
    device.copy(between.data(), from.data(), 4);
    device.use_lane(1);
    device.copy(to.data(), between.data(), 4);  // waits for nothing of lane 0's
    fork.join();
  });
  std::set<int> found;
  for (int replay = 0; replay < 50; ++replay) {
    step->replay();
    int number = 0;
    device.copy_to_host(&number, to.data(), 4);
    found.insert(number);
  }
  EXPECT_EQ(found, (std::set<int>{0, 1}));
}

TEST(Emulation, ReportsAForkWithoutAJoin) {
  CudaDevice device(0);
  const Buffer memory(device, 4);
  const auto forget = [&](bool join) {
    device.fork_lanes(2);
    device.use_lane(1);
    device.zero(memory.data(), 4);
    if (join) device.join();
    device.use_lane(0);
  };
  try {
    device.record([&] { forget(false); });
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("cudaErrorStreamCaptureUnjoined"), std::string::npos)
        << error.what();
  }
  device.record([&] { forget(true); })->replay();
}

TEST(Emulation, ADeviceIsUsableAfterAnExceptionBetweenForkAndJoin) {
  CudaDevice device(0);
  const Buffer memory(device, 4);
  const cudaStream_t first = device.stream();
  const auto work = [&](bool fails) {
    DeviceFork fork(device, 3);
    for (const int lane : {1, 2}) {
      device.use_lane(lane);
      EXPECT_NE(device.stream(), first);
      device.zero(memory.data(), 4);
      if (fails) throw std::runtime_error("a node's");
    }
    fork.join();
  };
  for (const bool recorded : {true, false}) {
    try {
      recorded ? static_cast<void>(device.record([&] { work(true); })) : work(true);
      ADD_FAILURE();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "a node's");
    }
    EXPECT_EQ(device.stream(), first);
    device.record([&] { work(false); })->replay();
    device.synchronize();
  }
}

TEST(Emulation, RefusesWaitsThatAGpuWouldRefuse) {
  CudaDevice device(0);
  const cudaStream_t one = device.streams()[0], two = device.streams()[1];
  cudaEvent_t event;
  cudaGraph_t graph;
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, two), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(one, event, 0), cudaErrorStreamCaptureIsolation);
  ASSERT_EQ(cudaEventRecord(event, one), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(two, &graph), cudaErrorStreamCaptureUnmatched);
  ASSERT_EQ(cudaStreamEndCapture(one, &graph), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(two, event, 0), cudaErrorCapturedEvent);
  cudaGraphDestroy(graph);
  cudaEventDestroy(event);
  cudaGetLastError();
}

TEST(KernelTable, GivesAnErrorToWhatRanInTheCase) {
  CudaDevice device(0);
  const auto call = [&](const char* name) {
    EXPECT_EQ(emulated::library_call(device.stream(), name, [] {}), cudaSuccess);
  };
  KernelTable table;
  call("before the case");
  table.begin_case();
  table.note_error(0.5);
  call("in the case");
  table.note_error(0.25);
  table.note_error(0.125);
  const std::string text = table.text();
  EXPECT_EQ(text.find("before the case"), std::string::npos) << text;
  const size_t row = text.find("in the case");
  ASSERT_NE(row, std::string::npos) << text;
  EXPECT_NE(text.substr(row, text.find('\n', row) - row).find("1      1     2.5e-01"),
            std::string::npos)
      << text;
}

TEST(KernelTable, FindsKernelsInTheSources) {
  const std::set<std::string> kernels = kernels_in_sources();
  EXPECT_TRUE(kernels.contains("measure_step"));
  EXPECT_TRUE(kernels.contains("run_images"));  // has launch bounds
  EXPECT_GE(kernels.size(), 20u);
}

TEST(Emulation, GivesAllMemoryBack) {
  const size_t before = emulated::allocated();
  launched("rotate");
  EXPECT_EQ(emulated::allocated(), before);
}

}  // namespace
}  // namespace engine::test
