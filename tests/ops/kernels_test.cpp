// Rows for every op. To add an op, add its rows (and its reference, tests/support/reference.cpp).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

void check(const std::vector<OpRow>& rows) {
  for (const OpRow& row : rows) check_op(row);
}

TEST(kernels, conv2d_of_the_study) {
  check({{"conv2d",
          R"({"filters": 64, "kernel": 7, "stride": 2, "activation": "relu"})",
          {{2, 32, 32, 1}}},
         {"conv2d", R"({"filters": 64, "kernel": 1, "activation": "relu"})", {{2, 8, 8, 64}}},
         {"conv2d", R"({"filters": 128, "kernel": 3, "activation": "relu"})", {{2, 8, 8, 64}}},
         {"conv2d", R"({"filters": 32, "kernel": 5, "activation": "relu"})", {{2, 8, 8, 64}}},
         {"conv2d", R"({"filters": 96, "kernel": 5, "activation": "relu"})", {{1, 8, 8, 256}}},
         {"conv2d",
          R"({"filters": 64, "kernel": 7, "stride": 2, "activation": "relu"})",
          {{1, 32, 32, 3}}}});
}

TEST(kernels, conv2d_padding_and_stride) {
  for (const char* kernel : {"1", "2", "3", "5", "[3, 5]", "[1, 7]"}) {
    for (const char* padding : {R"("same")", R"("valid")"}) {
      for (const char* stride : {"1", "2", "[2, 1]", "3"}) {
        const std::string attributes =
            fmt::format(R"({{"filters": 6, "kernel": {}, "padding": {}, "stride": {}}})", kernel,
                        padding, stride);
        check_op({"conv2d", attributes, {{2, 9, 10, 5}}});
      }
    }
  }
  check(
      {{"conv2d", R"({"filters": 4, "kernel": 3, "padding": 1})", {{1, 6, 7, 3}}},
       {"conv2d", R"({"filters": 4, "kernel": 3, "padding": [0, 2]})", {{2, 6, 7, 3}}},
       {"conv2d",
        R"({"filters": 4, "kernel": 3, "padding": [2, 0, 0, 1], "stride": 2})",
        {{2, 6, 7, 3}}},
       {"conv2d", R"({"filters": 4, "kernel": 5, "padding": [4, 4, 3, 1]})", {{2, 3, 3, 16}}},
       {"conv2d", R"({"filters": 20, "kernel": 3, "padding": [2, 1, 0, 2]})", {{3, 5, 4, 20}}},
       {"conv2d", R"({"filters": 16, "kernel": 4, "padding": [1, 2, 2, 1]})", {{1, 12, 12, 16}}}});
}

TEST(kernels, conv2d_odd_sizes) {
  for (const int64_t channels : {1, 2, 3, 4, 7, 8, 15, 16, 17, 33}) {
    for (const int filters : {1, 3, 8, 17}) {
      for (const int kernel : {1, 3, 5}) {
        const std::string attributes =
            fmt::format(R"({{"filters": {}, "kernel": {}}})", filters, kernel);
        check_op({"conv2d", attributes, {{1, 7, 5, channels}}});
      }
    }
  }
  check({{"conv2d", R"({"filters": 1, "kernel": 1})", {{1, 1, 1, 1}}},
         {"conv2d", R"({"filters": 9, "kernel": 3})", {{3, 1, 1, 5}}},
         {"conv2d", R"({"filters": 9, "kernel": 5})", {{3, 2, 1, 5}}},
         {"conv2d", R"({"filters": 2, "kernel": 7})", {{1, 3, 31, 2}}},
         {"conv2d", R"({"filters": 16, "kernel": 3})", {{5, 13, 3, 32}}}});
}

TEST(kernels, conv2d_groups_and_dilation) {
  check({{"conv2d", R"({"filters": 8, "kernel": 3, "groups": 2})", {{2, 6, 6, 4}}},
         {"conv2d", R"({"filters": 12, "kernel": 3, "groups": 12})", {{2, 6, 5, 12}}},
         {"conv2d", R"({"filters": 24, "kernel": 3, "groups": 12, "stride": 2})", {{2, 7, 6, 12}}},
         {"conv2d", R"({"filters": 6, "kernel": 1, "groups": 3})", {{2, 5, 5, 6}}},
         {"conv2d",
          R"({"filters": 6, "kernel": 5, "groups": 3, "activation": "relu"})",
          {{1, 9, 9, 9}}},
         {"conv2d", R"({"filters": 5, "kernel": 3, "dilation": 2})", {{2, 8, 9, 4}}},
         {"conv2d",
          R"({"filters": 5, "kernel": [3, 2], "dilation": [2, 3], "padding": "valid"})",
          {{1, 8, 9, 4}}},
         {"conv2d",
          R"({"filters": 4, "kernel": 3, "dilation": 3, "groups": 2, "stride": 2})",
          {{1, 11, 12, 4}}},
         {"conv2d", R"({"filters": 32, "kernel": 3, "groups": 32})", {{1, 8, 8, 32}}}});
}

TEST(kernels, conv2d_bias_and_activation) {
  for (const char* activation : {"none", "relu", "gelu", "silu", "tanh"}) {
    for (const char* bias : {"true", "false"}) {
      for (const int kernel : {1, 2, 3, 5, 7}) {
        const std::string attributes =
            fmt::format(R"({{"filters": 10, "kernel": {}, "activation": "{}", "bias": {}}})",
                        kernel, activation, bias);
        check_op({"conv2d", attributes, {{2, 6, 6, kernel == 7 ? 1 : 16}}});
      }
    }
  }
}

TEST(kernels, dense) {
  for (const char* activation : {"none", "relu", "gelu", "silu", "tanh"}) {
    const std::string attributes =
        fmt::format(R"({{"units": 21, "activation": "{}"}})", activation);
    check_op({"dense", attributes, {{5, 1, 1, 37}}});
  }
  check({{"dense", R"({"units": "classes"})", {{32, 1, 1, 480}}},
         {"dense", R"({"units": 1})", {{1, 1, 1, 1}}},
         {"dense", R"({"units": 3, "bias": false})", {{7, 1, 1, 5}}},
         {"dense", R"({"units": 64})", {{64, 1, 1, 64}}},
         {"dense", R"({"units": 100, "bias": false, "activation": "relu"})", {{3, 1, 1, 1000}}}});
}

TEST(kernels, max_pool) {
  check(
      {{"max_pool", R"({"kernel": 3, "stride": 2})", {{2, 16, 16, 64}}},
       {"max_pool", R"({"kernel": 3, "stride": 1})", {{2, 8, 8, 256}}},
       {"max_pool", R"({"kernel": 3, "stride": 2})", {{2, 8, 8, 480}}},
       {"max_pool", R"({"kernel": 2, "stride": 2})", {{2, 7, 9, 5}}},
       {"max_pool", R"({"kernel": [1, 4], "stride": [2, 3], "padding": "valid"})", {{2, 7, 9, 13}}},
       {"max_pool", R"({"kernel": 3, "stride": 2, "padding": [2, 0, 1, 2]})", {{1, 5, 6, 33}}},
       {"max_pool", R"({"kernel": 1, "stride": 1})", {{1, 3, 3, 3}}},
       {"max_pool", R"({"kernel": 1, "stride": 3})", {{1, 7, 8, 40}}},
       {"max_pool", R"({"kernel": 5, "stride": 7})", {{1, 20, 21, 8}}},
       {"max_pool", R"({"kernel": 17, "stride": 3})", {{1, 20, 21, 9}}},
       {"max_pool", R"({"kernel": 3, "stride": 1})", {{3, 1, 1, 1}}},
       {"max_pool", R"({"kernel": 3, "stride": 1})", {{1, 2, 9, 31}}}});
}

TEST(kernels, average_pool) {
  check({{"average_pool", R"({"kernel": 3, "stride": 2})", {{2, 16, 16, 64}}},
         {"average_pool", R"({"kernel": 3, "stride": 1})", {{2, 8, 8, 40}}},
         {"average_pool",
          R"({"kernel": 3, "stride": 1, "count_include_padding": true})",
          {{2, 8, 8, 40}}},
         {"average_pool", R"({"kernel": 2, "stride": 2, "padding": "valid"})", {{2, 7, 9, 5}}},
         {"average_pool",
          R"({"kernel": [4, 1], "stride": [3, 2], "padding": [3, 0, 0, 0]})",
          {{2, 7, 9, 13}}},
         {"average_pool", R"({"kernel": 5, "stride": 7})", {{1, 20, 21, 8}}},
         {"average_pool", R"({"kernel": 1, "stride": 1})", {{1, 1, 1, 1}}}});
}

TEST(kernels, global_average_pool) {
  check({{"global_average_pool", "{}", {{4, 4, 4, 480}}},
         {"global_average_pool", "{}", {{3, 1, 1, 7}}},
         {"global_average_pool", "{}", {{1, 5, 9, 130}}},
         {"global_average_pool", "{}", {{2, 50, 40, 3}}}});
}

TEST(kernels, batch_normalization) {
  check({{"batch_normalization", "{}", {{8, 8, 8, 16}}},
         {"batch_normalization", R"({"momentum": 0.01, "epsilon": 0.001})", {{4, 5, 3, 33}}},
         {"batch_normalization", R"({"momentum": 1})", {{32, 1, 1, 100}}},
         {"batch_normalization", "{}", {{6, 17, 19, 1}}},
         {"batch_normalization", "{}", {{3, 30, 31, 3}}},
         {"batch_normalization", "{}", {{1, 2, 3, 600}}}});
  // One value for each channel: it is its own mean, and nothing is left of it.
  check_op({"batch_normalization", "{}", {{1, 1, 1, 4}}});
}

TEST(kernels, activation) {
  for (const char* function : {"relu", "gelu", "silu", "tanh"}) {
    const std::string attributes = fmt::format(R"({{"function": "{}"}})", function);
    check({{"activation", attributes, {{3, 7, 5, 19}}},
           {"activation", attributes, {{1, 1, 1, 1}}},
           {"activation", attributes, {{2, 16, 16, 64}}}});
  }
}

TEST(kernels, dropout) {
  for (const char* rate : {"0", "0.1", "0.5", "0.999"}) {
    const std::string attributes = fmt::format(R"({{"rate": {}}})", rate);
    check({{"dropout", attributes, {{3, 4, 4, 480}}},
           {"dropout", attributes, {{5, 1, 1, 481}}},
           {"dropout", attributes, {{2, 3, 5, 7}}},
           {"dropout", attributes, {{1, 1, 1, 1}}}});
  }
}

TEST(kernels, add) {
  check({{"add", "{}", {{2, 4, 4, 16}, {2, 4, 4, 16}}},
         {"add", "{}", {{3, 5, 3, 7}, {3, 5, 3, 7}, {3, 5, 3, 7}}},
         {"add", "{}", std::vector<Shape>(7, Shape{1, 1, 2, 3})}});
}

TEST(kernels, concat) {
  check({{"concat", "{}", {{2, 8, 8, 64}, {2, 8, 8, 128}, {2, 8, 8, 32}, {2, 8, 8, 32}}},
         {"concat", "{}", {{3, 5, 3, 1}, {3, 5, 3, 7}}},
         {"concat", "{}", {{3, 5, 3, 6}}}});
}

TEST(kernels, flatten_and_split) {
  check({{"flatten", "{}", {{3, 5, 4, 6}}},
         {"flatten", "{}", {{1, 1, 1, 6}}},
         {"split", R"({"copies": 1})", {{2, 3, 4, 5}}},
         {"split", R"({"copies": 2})", {{2, 8, 8, 256}}},
         {"split", R"({"copies": 3})", {{2, 3, 4, 5}}},
         {"split", R"({"copies": 4})", {{2, 8, 8, 64}}},
         {"split", R"({"copies": 7})", {{1, 3, 4, 9}}}});
}

TEST(kernels, softmax_cross_entropy) {
  for (const char* smoothing : {"0", "0.1", "0.9"}) {
    const std::string attributes = fmt::format(R"({{"label_smoothing": {}}})", smoothing);
    check({{"softmax_cross_entropy", attributes, {{32, 1, 1, 10}}},
           {.op = "softmax_cross_entropy",
            .attributes = attributes,
            .inputs = {{3, 1, 1, 2}},
            .classes = 2},
           {.op = "softmax_cross_entropy",
            .attributes = attributes,
            .inputs = {{5, 1, 1, 100}},
            .classes = 100},
           {.op = "softmax_cross_entropy",
            .attributes = attributes,
            .inputs = {{1, 1, 1, 1001}},
            .classes = 1001}});
  }
}

}  // namespace
}  // namespace engine::test
