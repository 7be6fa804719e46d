// Attributes and shapes that make no sense are errors that say what is wrong.

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

struct Wrong {
  const char* op;
  const char* attributes;
  std::vector<Shape> inputs;
  const char* says;  ///< part of the message
};

void expect_refused(const Wrong& wrong) {
  SCOPED_TRACE(std::string(wrong.op) + " " + wrong.attributes);
  try {
    configure_op(wrong.op, wrong.attributes)->infer(wrong.inputs, {10});
    ADD_FAILURE() << "was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::experiment);
    EXPECT_NE(std::string(error.what()).find(wrong.says), std::string::npos) << error.what();
  }
}

TEST(invalid, attributes) {
  for (const Wrong& wrong : std::vector<Wrong>{
           {"conv2d", R"({"kernel": 3})", {}, "filters"},
           {"conv2d", R"({"filters": 3})", {}, "kernel"},
           {"conv2d", R"({"filters": 0, "kernel": 3})", {}, "filters"},
           {"conv2d", R"({"filters": 1.5, "kernel": 3})", {}, "filters"},
           {"conv2d", R"({"filters": 1e30, "kernel": 3})", {}, "filters"},
           {"conv2d", R"({"filters": "many", "kernel": 3})", {}, "filters"},
           {"conv2d", R"({"filters": 4, "kernel": 0})", {}, "kernel"},
           {"conv2d", R"({"filters": 4, "kernel": [3]})", {}, "kernel"},
           {"conv2d", R"({"filters": 4, "kernel": [3, 3, 3]})", {}, "kernel"},
           {"conv2d", R"({"filters": 4, "kernel": 9223372036854775807})", {}, "kernel"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "stride": 0})", {}, "stride"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "stride": -1})", {}, "stride"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "dilation": 0})", {}, "dilation"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "groups": 0})", {}, "groups"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "padding": -1})", {}, "padding"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "padding": "full"})", {}, "padding"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "padding": [1, 2, 3]})", {}, "padding"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "activation": "rleu"})", {}, "relu"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "kernels": 3})", {}, "kernels"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "bias": 1})", {}, "bias"},
           {"dense", R"({})", {}, "units"},
           {"dense", R"({"units": 0})", {}, "units"},
           {"dense", R"({"units": "class"})", {}, "units"},
           {"max_pool", R"({"stride": 1})", {}, "kernel"},
           {"max_pool", R"({"kernel": 2})", {}, "stride"},
           {"max_pool", R"({"kernel": 2, "stride": [1, 0]})", {}, "stride"},
           {"max_pool", R"({"kernel": 2, "stride": 2, "dilation": 2})", {}, "dilation"},
           {"average_pool",
            R"({"kernel": 2, "stride": 2, "count_include_pad": true})",
            {},
            "count_include_padding"},
           {"batch_normalization", R"({"momentum": 1.1})", {}, "momentum"},
           {"batch_normalization", R"({"epsilon": 0})", {}, "epsilon"},
           {"activation", R"({})", {}, "function"},
           {"activation", R"({"function": "none"})", {}, "function"},
           {"dropout", R"({})", {}, "rate"},
           {"dropout", R"({"rate": 1})", {}, "rate"},
           {"dropout", R"({"rate": -0.5})", {}, "rate"},
           {"add", R"({"axis": 1})", {}, "axis"},
           {"concat", R"({"axis": 1})", {}, "axis"},
           {"softmax_cross_entropy", R"({"label_smoothing": 1})", {}, "label_smoothing"},
           {"split", R"({"copies": 0})", {}, "copies"}}) {
    expect_refused(wrong);
  }
}

TEST(invalid, shapes) {
  for (const Wrong& wrong : std::vector<Wrong>{
           {"conv2d", R"({"filters": 4, "kernel": 5, "padding": "valid"})", {{1, 3, 3, 2}}, "5x5"},
           {"conv2d",
            R"({"filters": 4, "kernel": [2, 5], "padding": "valid"})",
            {{1, 3, 3, 2}},
            "2x5"},
           {"conv2d",
            R"({"filters": 4, "kernel": 3, "dilation": 4, "padding": 1})",
            {{1, 3, 3, 2}},
            "9x9"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "padding": 3})", {{1, 8, 8, 2}}, "padding"},
           {"conv2d", R"({"filters": 4, "kernel": 3, "groups": 2})", {{1, 8, 8, 3}}, "groups"},
           {"conv2d", R"({"filters": 5, "kernel": 3, "groups": 2})", {{1, 8, 8, 4}}, "groups"},
           {"dense", R"({"units": 4})", {{1, 2, 1, 3}}, "2x1x3"},
           {"max_pool", R"({"kernel": 4, "stride": 1, "padding": "valid"})", {{1, 3, 9, 2}}, "4x4"},
           {"max_pool",
            R"({"kernel": 2, "stride": 1, "padding": [2, 0, 0, 0]})",
            {{1, 9, 9, 2}},
            "padding"},
           {"max_pool", R"({"kernel": 300, "stride": 1})", {{1, 300, 300, 2}}, "300x300"},
           {"average_pool",
            R"({"kernel": 2, "stride": 1, "padding": [0, 2]})",
            {{1, 9, 9, 2}},
            "padding"},
           {"average_pool",
            R"({"kernel": 10, "stride": 1, "padding": "valid"})",
            {{1, 9, 9, 2}},
            "10x10"},
           {"add", "{}", {{2, 4, 4, 3}, {2, 4, 4, 4}}, "4x4x4"},
           {"add", "{}", {{2, 4, 4, 3}, {2, 4, 4, 3}, {2, 2, 8, 3}}, "2x8x3"},
           {"concat", "{}", {{2, 4, 4, 3}, {2, 4, 5, 3}}, "4x5x3"},
           {"concat", "{}", {{2, 4, 4, 3}, {2, 2, 4, 3}}, "2x4x3"},
           {"softmax_cross_entropy", "{}", {{2, 1, 1, 11}}, "10"},
           {"softmax_cross_entropy", "{}", {{2, 4, 1, 10}}, "4x1x10"}}) {
    expect_refused(wrong);
  }
}

TEST(invalid, numbers_of_inputs_are_stated) {
  EXPECT_EQ(registry().op("add")->make()->arity().first, 2u);
  EXPECT_EQ(registry().op("concat")->make()->arity().first, 1u);
  for (const OpEntry& entry : registry().ops) {
    const auto [least, most] = entry.make()->arity();
    EXPECT_GE(least, 1u) << entry.name;
    EXPECT_GE(most, least) << entry.name;
  }
}

}  // namespace
}  // namespace engine::test
