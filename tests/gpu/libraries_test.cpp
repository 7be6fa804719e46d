// What two libraries can compute, by each of them: the faster one is not always the same.

#include <gtest/gtest.h>

#include "tests/gpu/cuda_backend.h"
#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

class GpuLibraries : public testing::TestWithParam<ProductLibrary> {
 protected:
  GpuLibraries() { tested_options().products = GetParam(); }
  ~GpuLibraries() override { tested_options().products = ProductLibrary::fastest; }
};

// Where a library cannot compute one of them, it says so: nothing is computed by the other.
TEST_P(GpuLibraries, dense_and_pointwise_conv2d) {
  for (const OpRow& row : std::vector<OpRow>{
           {"conv2d", R"({"filters": 64, "kernel": 1, "activation": "relu"})", {{2, 8, 8, 64}}},
           {"conv2d", R"({"filters": 24, "kernel": 1, "activation": "gelu"})", {{3, 5, 7, 40}}},
           {"conv2d", R"({"filters": 32, "kernel": 1, "bias": false})", {{2, 7, 5, 256}}},
           {"conv2d",
            R"({"filters": 16, "kernel": 1, "bias": false, "activation": "relu"})",
            {{1, 3, 3, 8}}},
           {"dense", R"({"units": "classes"})", {{32, 1, 1, 480}}},
           {"dense", R"({"units": 64, "activation": "relu"})", {{5, 1, 1, 128}}}}) {
    check_op(row);
  }
}

INSTANTIATE_TEST_SUITE_P(By, GpuLibraries,
                         testing::Values(ProductLibrary::cudnn, ProductLibrary::cublaslt),
                         [](const auto& info) {
                           return info.param == ProductLibrary::cudnn ? "cudnn" : "cublaslt";
                         });

}  // namespace
}  // namespace engine::test
