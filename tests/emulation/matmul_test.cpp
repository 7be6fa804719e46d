// Pointwise convolutions through the source that calls cuBLASLt, with the emulation's library
// behind it: layouts, types and choice of algorithms.

#include <cublasLt.h>

#include "engine/core/error.h"
#include "tests/emulation/emulator.h"
#include "tests/emulation/pointwise.h"
#include "tests/support/op_runner.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

using namespace products;

void expect_right(const ConvolutionShape& shape) {
  CudaDevice device(0);
  for (const ConvolutionPass pass : kPasses) {
    SCOPED_TRACE(name_of(shape, pass));
    Tensors tensors(device, shape);
    tensors.fill(pass);
    MatmulEngines engines(device, shape, pass);
    for (const char* algorithm : {"lt21_", "lt66_"}) {
      std::unique_ptr<PlannedPass> plan;
      for (const std::string& name : engines.names()) {
        if (name.starts_with(algorithm)) plan = engines.make(name);
      }
      ASSERT_NE(plan, nullptr) << algorithm;
      run(device, *plan, tensors, pass);
      EXPECT_LE(worst_error(tensors, pass), rounding(shape.precision)) << algorithm;
      EXPECT_TRUE(tensors.intact()) << algorithm;
    }
  }
}

TEST(Matmul, IsTheConvolutionInEveryPassPrecisionAndSize) {
  for (const Precision precision : tested_precisions()) {
    for (const auto& [input, outs] : std::vector<std::pair<Shape, int64_t>>{{{1, 1, 1, 1}, 1},
                                                                            {{5, 1, 1, 37}, 21},
                                                                            {{2, 3, 5, 7}, 11},
                                                                            {{1, 7, 5, 33}, 8},
                                                                            {{3, 4, 4, 16}, 64},
                                                                            {{17, 1, 1, 3}, 1}}) {
      for (const bool bias : {false, true}) {
        for (const bool relu : {false, true}) {
          ConvolutionShape shape = pointwise(input, outs, precision);
          shape.bias = bias;
          shape.relu = relu;
          expect_right(shape);
        }
      }
    }
  }
}

TEST(Matmul, TakesPitchesOfXAndY) {
  for (const Precision precision : tested_precisions()) {
    for (const bool bias : {false, true}) {
      ConvolutionShape shape = pointwise({2, 3, 5, 24}, 40, precision);
      shape.bias = shape.relu = bias;
      shape.x_pitch = 56;
      expect_right(shape);
      shape.y_pitch = 64;
      expect_right(shape);
      shape.x_pitch = 0;
      expect_right(shape);
    }
  }
}

// The numbers above would not show a wrong layout if they had a pattern.
TEST(Matmul, AWrongPitchOrTranspositionIsAnotherResult) {
  CudaDevice device(0);
  for (const ConvolutionPass pass : kPasses) {
    ConvolutionShape shape = pointwise({2, 3, 5, 12}, 12, Precision::fp32);
    shape.x_pitch = 20;
    shape.y_pitch = 24;
    Tensors right(device, shape);
    right.fill(pass);
    run(device, *first_plan(device, shape, pass), right, pass);
    EXPECT_EQ(worst_error(right, pass), 0);

    for (int64_t ConvolutionShape::*const pitch :
         {&ConvolutionShape::x_pitch, &ConvolutionShape::y_pitch}) {
      ConvolutionShape wrong = shape;
      wrong.*pitch -= 4;
      Tensors tensors(device, shape);
      tensors.fill(pass);
      run(device, *first_plan(device, wrong, pass), tensors, pass);
      EXPECT_GT(worst_error(tensors, pass), 0.1) << to_string(pass);
    }
    if (pass == ConvolutionPass::backward_filter) continue;
    Tensors tensors(device, shape);
    tensors.fill(pass);
    Floats transposed(tensors.values_w.size());
    for (size_t i = 0; i < transposed.size(); ++i) {
      transposed[i] = tensors.values_w[i % 12 * 12 + i / 12];
    }
    tensors.w.write(transposed);
    run(device, *first_plan(device, shape, pass), tensors, pass);
    EXPECT_GT(worst_error(tensors, pass), 0.1) << to_string(pass);
  }
}

TEST(Matmul, NamesNoAlgorithmThatMustNotBeUsed) {
  CudaDevice device(0);
  for (const Precision precision : tested_precisions()) {
    for (const ConvolutionPass pass : kPasses) {
      ConvolutionShape shape = pointwise({2, 3, 5, 8}, 16, precision);
      shape.bias = true;
      std::string numbers;
      for (const std::string& name : MatmulEngines(device, shape, pass).names()) {
        numbers += name.substr(0, name.find('_'));
      }
      EXPECT_EQ(numbers, "lt21lt66lt67");
    }
  }
}

TEST(Matmul, ANameMakesTheSamePlanAtTheNextStart) {
  const ConvolutionShape shape = pointwise({2, 3, 5, 8}, 16, Precision::bf16);
  std::vector<std::string> names;
  {
    CudaDevice device(0);
    names = MatmulEngines(device, shape, ConvolutionPass::forward).names();
  }
  CudaDevice device(0);
  MatmulEngines engines(device, shape, ConvolutionPass::forward);
  const auto plan = engines.make(names[0]);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->engine(), names[0]);
  EXPECT_EQ(plan->label(), "lt21");
  EXPECT_EQ(plan->library(), "cuBLASLt");
  EXPECT_EQ(plan->workspace_bytes(), 1000u);
}

TEST(Matmul, ANameThatIsNoneMakesNoPlan) {
  CudaDevice device(0);
  MatmulEngines engines(device, pointwise({2, 3, 5, 8}, 16, Precision::fp32),
                        ConvolutionPass::forward);
  const std::string name = engines.names()[0];
  for (const std::string& wrong : {std::string(), std::string("eng44_k2=12"), std::string("lt21"),
                                   std::string("lt21_"), std::string("lt21_0g"), name + "0",
                                   name + std::string(128, '0'), name.substr(0, name.size() - 2)}) {
    EXPECT_EQ(engines.make(wrong), nullptr) << wrong;
  }
  // One that the library has, but that adds in place.
  const cublasLtMatmulAlgo_t in_place{{0x130100, 2, 0, 2}};
  std::string barred = "lt2_";
  for (size_t i = 0; i < sizeof(in_place); ++i) {
    barred += fmt::format("{:02x}", reinterpret_cast<const unsigned char*>(&in_place)[i]);
  }
  EXPECT_EQ(engines.make(barred), nullptr);
}

// A bit that fp32 keeps and tf32 drops.
TEST(Matmul, MultipliesAsThePrecisionSays) {
  CudaDevice device(0);
  const float fine = 1 + std::ldexp(1.0f, -20);
  for (const Precision precision : {Precision::fp32, Precision::tf32}) {
    const ConvolutionShape shape = pointwise({1, 1, 2, 2}, 1, precision);
    Tensors tensors(device, shape);
    tensors.x.write({fine, 0, 0, fine});
    tensors.w.write({1, 1});
    run(device, *first_plan(device, shape, ConvolutionPass::forward), tensors,
        ConvolutionPass::forward);
    const float right = precision == Precision::fp32 ? fine : 1;
    EXPECT_EQ(tensors.y.read(), (Floats{right, right}));
  }
}

/// Copies of x that a conv2d makes, forward and backward, because x is a slice.
uint64_t copies_of_slice(const std::string& attributes, Precision precision) {
  const OpRow row{"conv2d", attributes, {{2, 3, 5, 8}}};
  const auto op = configure_op(row.op, row.attributes);
  RowInputs inputs = make_inputs(row, true);
  for (Doubles* each : {&inputs.values.x[0], &inputs.dy}) {  // what every precision can store
    for (double& value : *each) value = std::round(8 * value) / 8;
  }
  const auto device = make_tested_device();
  OpRunner runner(row, *op, inputs, tested(*registry().op(row.op)), *device,
                  {.gap = 32, .precision = precision});
  const uint64_t before = launches_of("conv2d_pack");
  runner.run();
  return launches_of("conv2d_pack") - before;
}

TEST(Matmul, ReadsSlicesWhereTheyAre) {
  for (const Precision precision : tested_precisions()) {
    EXPECT_EQ(copies_of_slice(R"({"filters": 8, "kernel": 3})", precision), 2u);
    EXPECT_EQ(copies_of_slice(R"({"filters": 8, "kernel": 1})", precision), 0u);
  }
}

TEST(Matmul, CanBeRecordedAndReplayed) {
  CudaDevice device(0);
  ConvolutionShape shape = pointwise({2, 1, 1, 8}, 4, Precision::fp32);
  shape.bias = true;
  const auto plan = first_plan(device, shape, ConvolutionPass::forward);
  Tensors tensors(device, shape);
  const GuardedTensor workspace(device, plan->workspace_bytes());
  std::vector<void*> memory = tensors.memory(ConvolutionPass::forward);
  const auto recording = device.record([&] { plan->run(memory, workspace.view().data); });
  tensors.fill(ConvolutionPass::forward);
  recording->replay();
  EXPECT_EQ(worst_error(tensors, ConvolutionPass::forward), 0);
}

TEST(Matmul, AFailureOfTheLibraryIsReported) {
  const ConvolutionShape shape = pointwise({2, 1, 1, 8}, 4, Precision::fp32);
  const auto code_of = [&](cudaError_t failure) {
    CudaDevice device(0);
    const auto plan = first_plan(device, shape, ConvolutionPass::forward);
    Tensors tensors(device, shape);
    tensors.fill(ConvolutionPass::forward);
    const GuardedTensor workspace(device, plan->workspace_bytes());
    std::vector<void*> memory = tensors.memory(ConvolutionPass::forward);
    ExitCode code = ExitCode::ok;
    emulated::fail_call(1, failure);
    try {
      plan->run(memory, workspace.view().data);
    } catch (const Error& error) {
      code = error.code();
      EXPECT_NE(std::string(error.what()).find("cuBLASLt"), std::string::npos) << error.what();
    }
    emulated::fail_call(0, cudaSuccess);
    return code;
  };
  EXPECT_EQ(code_of(cudaErrorLaunchFailure), ExitCode::device);
  EXPECT_EQ(code_of(cudaErrorMemoryAllocation), ExitCode::out_of_memory);
}

}  // namespace
}  // namespace engine::test
