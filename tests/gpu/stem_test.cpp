// The op stem, which only a GPU has: rows as in ops/kernels_test.cpp, and what its reference says
// nothing of.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/bf16.h"
#include "engine/core/error.h"
#include "tests/support/op_runner.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

void check_stem(const std::string& attributes, const Shape& input) {
  check_op({.op = "stem", .attributes = attributes, .inputs = {input}, .needs_dx = false});
}

TEST(kernels, stem_of_the_study) {
  const char* attributes =
      R"({"filters": 64, "kernel": 7, "stride": 2, "pool_kernel": 3, "pool_stride": 2})";
  check_stem(attributes, {3, 32, 32, 1});
  check_stem(attributes, {1, 32, 32, 3});
}

TEST(kernels, stem_odd_sizes) {
  int row = 0;
  for (const char* kernel : {"1", "2", "3", "5", "7", "[4, 3]"}) {
    for (const char* stride : {"1", "2", "[1, 3]"}) {
      for (const int filters : {1, 5, 32, 70}) {
        const int64_t channels = 1 + row % 4, batch = row % 3 == 0 ? 7 : 1 + row % 2;
        const char* pool = row % 2 ? R"("pool_kernel": 3, "pool_stride": 2)"
                                   : R"("pool_kernel": [2, 3], "pool_stride": [2, 1])";
        check_stem(fmt::format(R"({{"filters": {}, "kernel": {}, "stride": {}, {}}})", filters,
                               kernel, stride, pool),
                   {batch, 9 + row % 2, 8 + row % 5, channels});
        ++row;
      }
    }
  }
}

TEST(kernels, stem_padding) {
  for (const char* padding : {R"("same")", R"("valid")", "2", "[2, 0, 1, 3]"}) {
    for (const char* pool_padding : {R"("same")", R"("valid")", "[0, 2, 1, 0]"}) {
      check_stem(fmt::format(R"({{"filters": 8, "kernel": 5, "stride": 2, "padding": {},
                                  "pool_kernel": 3, "pool_stride": 2, "pool_padding": {}}})",
                             padding, pool_padding),
                 {2, 13, 12, 3});
    }
  }
}

TEST(kernels, stem_pools) {
  for (const char* pool :
       {R"("pool_kernel": 1, "pool_stride": 1)", R"("pool_kernel": 1, "pool_stride": 3)",
        R"("pool_kernel": 2, "pool_stride": 5)", R"("pool_kernel": 5, "pool_stride": 1)",
        R"("pool_kernel": [15, 17], "pool_stride": 4)"}) {
    check_stem(fmt::format(R"({{"filters": 6, "kernel": 3, {}}})", pool), {2, 18, 19, 1});
  }
}

TEST(kernels, stem_tiles) {
  // Tiles of few pixels, of which a block of backward takes several: weights fill shared memory.
  check_stem(R"({"filters": 2, "kernel": 9, "pool_kernel": 2, "pool_stride": 2})", {3, 24, 18, 4});
  // Images that are larger than a tile.
  check_stem(R"({"filters": 33, "kernel": 3, "pool_kernel": 3, "pool_stride": 2})", {1, 50, 61, 1});
  check_stem(R"({"filters": 3, "kernel": 3, "stride": 3, "pool_kernel": 2, "pool_stride": 2})",
             {1, 7, 400, 2});
}

/// Filters that look at one pixel (weights 1 and 0), so that the convolution's outputs are the
/// image's and the weights' gradient tells which were chosen: y = relu and pool of x, dw[0] the
/// gradients times the chosen pixels, dw[1] times their right neighbours.
TEST(kernels, stem_takes_the_first_of_equals_and_shows_nan) {
  const double nan = to_float(to_bf16(std::numeric_limits<float>::quiet_NaN()));
  const OpRow row{.op = "stem",
                  .attributes = R"({"filters": 1, "kernel": [1, 2], "padding": "valid",
                                    "pool_kernel": 2, "pool_stride": 2})",
                  .inputs = {{2, 2, 5, 1}}};
  RowInputs inputs = make_inputs(row, true);
  inputs.values.x[0] = {3,  1,  5,  0, 9,    //
                        3,  3,  -1, 5, 8,    //
                        -1, -2, 6,  1, nan,  //
                        -3, 0,  7,  1, 1};
  inputs.values.parameters = {{1, 0}, {0}};
  inputs.dy = {2, 4, 8, 16};
  const std::unique_ptr<Op> op = configure_op(row.op, row.attributes);
  const std::unique_ptr<Device> device = make_tested_device();
  for (const Precision precision : tested_precisions()) {
    OpRunner runner(row, *op, inputs, tested(*registry().op("stem")), *device,
                    {.needs_dx = false, .precision = precision});
    const Outcome got = runner.run();
    ASSERT_EQ(got.y.size(), 4u);
    EXPECT_EQ(got.y[0], 3);
    EXPECT_EQ(got.y[1], 5);
    EXPECT_EQ(got.y[2], 0);
    EXPECT_TRUE(std::isnan(got.y[3]));
    // Zero and NaN take no gradient, as a ReLU's slope there is 0.
    EXPECT_EQ(got.dparameters[0], (Floats{2 * 3 + 4 * 5, 2 * 1 + 4 * 0}));
    EXPECT_EQ(got.dparameters[1], (Floats{2 + 4}));
  }
}

/// Of 1 + 1/1024 and 1 + 2/1024 the second is larger, but bfloat16 holds both as 1, and then the
/// first wins, as in the ops apart. dw[1] is the gradient times the chosen one's right neighbour.
TEST(kernels, stem_pools_what_would_be_in_memory) {
  const OpRow row{.op = "stem",
                  .attributes = R"({"filters": 1, "kernel": [1, 2], "padding": "valid",
                                    "pool_kernel": [1, 2], "pool_stride": 2})",
                  .inputs = {{1, 1, 3, 1}}};
  RowInputs inputs = make_inputs(row, true);
  inputs.values.x[0] = {1, 1, 2};
  inputs.values.parameters = {{1, 1.0 / 1024}, {0}};
  inputs.dy = {4};
  const std::unique_ptr<Op> op = configure_op(row.op, row.attributes);
  const std::unique_ptr<Device> device = make_tested_device();
  for (const Precision precision : tested_precisions()) {
    OpRunner runner(row, *op, inputs, tested(*registry().op("stem")), *device,
                    {.needs_dx = false, .precision = precision});
    const float neighbour = precision == Precision::bf16 ? 1 : 2;
    EXPECT_EQ(runner.run().dparameters[0], (Floats{4, 4 * neighbour}));
  }
}

TEST(kernels, stem_refuses_what_does_not_fit) {
  const auto op = configure_op("stem", R"({"filters": 8, "kernel": 11, "pool_kernel": 3,
                                           "pool_stride": 2})");
  const Shape one{1, 32, 32, 1}, three{1, 32, 32, 3}, five{1, 32, 32, 5};
  EXPECT_NO_THROW(op->infer(std::span(&one, 1), {}));
  EXPECT_THROW(op->infer(std::span(&three, 1), {}), Error);
  EXPECT_THROW(op->infer(std::span(&five, 1), {}), Error);
}

}  // namespace
}  // namespace engine::test
