// Which library computes a pass: the race, and what is asked for.

#include "engine/core/error.h"
#include "engine/cuda/plan_cache.h"
#include "tests/emulation/emulator.h"
#include "tests/emulation/plain_engines.h"
#include "tests/emulation/pointwise.h"

namespace engine::test {
namespace {

using namespace products;

// Both libraries' engines are timed, but for the one that cannot run, and the winner is remembered.
TEST(FastestPass, IsARaceOfTheLibraries) {
  CudaDevice device(0);
  ConvolutionShape shape = pointwise({2, 3, 5, 8}, 16, Precision::fp32);
  shape.bias = true;
  constexpr uint64_t kRuns = 7;
  for (const ConvolutionPass pass : kPasses) {
    const auto fastest = [&] {
      std::vector<std::unique_ptr<PassEngines>> libraries;
      libraries.push_back(std::make_unique<PlainEngines>(device, shape, pass));
      libraries.push_back(std::make_unique<MatmulEngines>(device, shape, pass));
      return fastest_pass(device, shape, pass, "versions", std::move(libraries));
    };
    const std::string loops = fmt::format("convolution {} double sums", to_string(pass));
    const uint64_t products_before = launches_of("cublasLtMatmul");
    const uint64_t loops_before = launches_of(loops);
    const auto plan = fastest();
    ASSERT_NE(plan, nullptr);
    EXPECT_FALSE(plan->engine().starts_with("lt67"));
    EXPECT_EQ(launches_of("cublasLtMatmul") - products_before, 2 * kRuns);
    EXPECT_EQ(launches_of(loops) - loops_before, kRuns);

    EXPECT_EQ(fastest()->engine(), plan->engine());
    EXPECT_EQ(launches_of("cublasLtMatmul") - products_before, 2 * kRuns);
    const std::string* remembered =
        device.plan_cache().find(plan_key(shape, pass, device.name(), "versions"));
    ASSERT_NE(remembered, nullptr);
    EXPECT_EQ(*remembered, plan->engine());

    Tensors tensors(device, shape);
    tensors.fill(pass);
    run(device, *plan, tensors, pass);
    EXPECT_EQ(worst_error(tensors, pass), 0);
  }
}

TEST(FastestPass, EndsWhenTheGpuIsLost) {
  CudaDevice device(0);
  const ConvolutionShape shape = pointwise({2, 3, 5, 8}, 16, Precision::fp32);
  std::vector<std::unique_ptr<PassEngines>> libraries;
  libraries.push_back(std::make_unique<MatmulEngines>(device, shape, ConvolutionPass::forward));
  emulated::fail_call(20, cudaErrorLaunchFailure);
  EXPECT_THROW(fastest_pass(device, shape, ConvolutionPass::forward, "", std::move(libraries)),
               Error);
  emulated::fail_call(0, cudaSuccess);
}

TEST(PlanPass, TakesProductsToTheLibraryThatIsAskedFor) {
  const auto library = [](const ConvolutionShape& shape, ProductLibrary products) {
    CudaDevice device(0, nullptr, products);
    return std::string(plan_pass(device, shape, ConvolutionPass::forward)->library());
  };
  const ConvolutionShape product = pointwise({2, 3, 5, 8}, 16, Precision::fp32);
  EXPECT_EQ(library(product, ProductLibrary::fastest), "cuBLASLt");
  EXPECT_EQ(library(product, ProductLibrary::cublaslt), "cuBLASLt");
  EXPECT_EQ(library(product, ProductLibrary::cudnn), "plain");
  const auto changed = [&](auto change) {
    ConvolutionShape other = product;
    change(other);
    return library(other, ProductLibrary::cublaslt);
  };
  EXPECT_EQ(changed([](auto& s) { s.groups = 2; }), "plain");
  EXPECT_EQ(changed([](auto& s) { s.window.kernel_h = 3; }), "plain");
  EXPECT_EQ(changed([](auto& s) { s.window.stride_w = 2; }), "plain");
  EXPECT_EQ(changed([](auto& s) { s.window.padding.right = 1; }), "plain");
  EXPECT_EQ(changed([](auto& s) { s.window.dilation_h = 2; }), "cuBLASLt");
}

}  // namespace
}  // namespace engine::test
