// Rows for the ops that passes make for a GPU (kernels/fused).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

void check_pooled_mean(const char* rate, const char* pool, const Shape& input) {
  check_op({"pooled_mean",
            fmt::format(R"({{{}, "rate": {}, "dropout": "head.dropout"}})", pool, rate),
            {input}});
}

TEST(kernels, pooled_mean) {
  for (const char* rate : {"0", "0.5"}) {
    check_pooled_mean(rate, R"("kernel": 3, "stride": 2)", {3, 7, 5, 17});
    check_pooled_mean(rate, R"("kernel": 2, "stride": 2, "padding": "valid")", {1, 9, 4, 40});
    check_pooled_mean(rate, R"("kernel": [1, 4], "stride": [2, 3], "padding": [0, 2])",
                      {2, 7, 9, 36});
    check_pooled_mean(rate, R"("kernel": 1, "stride": 1)", {5, 1, 1, 1});
  }
}

TEST(kernels, pooled_mean_large) {
  for (const char* rate : {"0", "0.9"}) {
    check_pooled_mean(rate, R"("kernel": 3, "stride": 2)", {2, 8, 8, 480});
    check_pooled_mean(rate, R"("kernel": 15, "stride": 3)", {1, 20, 21, 8});
    check_pooled_mean(rate, R"("kernel": 3, "stride": 1)", {1, 12, 11, 264});
  }
}

void check_dense_loss(const char* rate, const char* dense, const Shape& input, int64_t classes) {
  check_op(
      {.op = "dense_loss",
       .attributes = fmt::format(
           R"({{"units": "classes", {}, "rate": {}, "dropout": "head.dropout"}})", dense, rate),
       .inputs = {input},
       .classes = classes});
}

TEST(kernels, dense_loss) {
  for (const char* rate : {"0", "0.5"}) {
    check_dense_loss(rate, R"("label_smoothing": 0.1)", {11, 1, 1, 85}, 100);
    check_dense_loss(rate, R"("label_smoothing": 0.9, "bias": false)", {7, 1, 1, 36}, 2);
    check_dense_loss(rate, R"("label_smoothing": 0)", {1, 1, 1, 1}, 3);
  }
}

TEST(kernels, dense_loss_large) {
  check_dense_loss("0", R"("label_smoothing": 0.1)", {11, 1, 1, 481}, 100);
  check_dense_loss("0.5", R"("label_smoothing": 0)", {32, 1, 1, 480}, 10);
  check_dense_loss("0.5", R"("label_smoothing": 0)", {9, 1, 1, 1024}, 3);
  check_dense_loss("0.5", R"("label_smoothing": 0)", {9, 1, 1, 20}, 128);
  // Two tiles a block.
  check_dense_loss("0.5", R"("label_smoothing": 0.1)", {1100, 1, 1, 20}, 7);
}

}  // namespace
}  // namespace engine::test
