// The references' gradients are those of their forwards, and the harness can fail.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

TEST(reference, gradients_are_central_differences) {
  const std::vector<OpRow> rows{
      {"conv2d",
       R"({"filters": 4, "kernel": 3, "stride": 2, "padding": [2, 0, 1, 1]})",
       {{2, 6, 5, 4}}},
      {"conv2d",
       R"({"filters": 4, "kernel": [2, 3], "dilation": [1, 2], "groups": 2, "activation": "gelu"})",
       {{2, 6, 7, 4}}},
      {"conv2d",
       R"({"filters": 3, "kernel": 5, "activation": "relu", "bias": false})",
       {{1, 6, 5, 2}}},
      {"conv2d", R"({"filters": 3, "kernel": 1, "activation": "silu"})", {{2, 3, 3, 2}}},
      {"conv2d",
       R"({"filters": 3, "kernel": 3, "padding": "valid", "activation": "tanh"})",
       {{2, 4, 3, 2}}},
      {"dense", R"({"units": 5, "activation": "tanh"})", {{3, 1, 1, 7}}},
      {"dense", R"({"units": "classes", "activation": "relu"})", {{3, 1, 1, 7}}},
      {"max_pool", R"({"kernel": 3, "stride": 2})", {{2, 6, 7, 3}}},
      {"average_pool", R"({"kernel": 3, "stride": 2})", {{2, 6, 7, 3}}},
      {"average_pool",
       R"({"kernel": 2, "stride": 1, "padding": 1, "count_include_padding": true})",
       {{2, 4, 3, 3}}},
      {"global_average_pool", "{}", {{2, 3, 4, 5}}},
      {"batch_normalization", "{}", {{3, 3, 2, 4}}},
      {"activation", R"({"function": "relu"})", {{2, 3, 4, 5}}},
      {"activation", R"({"function": "gelu"})", {{2, 3, 4, 5}}},
      {"activation", R"({"function": "silu"})", {{2, 3, 4, 5}}},
      {"activation", R"({"function": "tanh"})", {{2, 3, 4, 5}}},
      {"dropout", R"({"rate": 0.4})", {{2, 3, 4, 5}}},
      {"add", "{}", {{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}}},
      {"concat", "{}", {{2, 3, 4, 5}, {2, 3, 4, 1}, {2, 3, 4, 2}}},
      {"flatten", "{}", {{2, 3, 4, 5}}},
      {"split", R"({"copies": 2})", {{2, 3, 4, 5}}},
      {"softmax_cross_entropy", R"({"label_smoothing": 0.1})", {{3, 1, 1, 10}}},
      {"pooled_mean", R"({"kernel": 3, "stride": 2, "rate": 0.3})", {{2, 6, 7, 3}}},
      {"dense_loss",
       R"({"units": "classes", "label_smoothing": 0.1, "rate": 0.3})",
       {{3, 1, 1, 7}}},
      {"stem",
       R"({"filters": 3, "kernel": [3, 2], "padding": [2, 0, 1, 1], "pool_kernel": 3,
           "pool_stride": 2})",
       {{2, 6, 7, 2}}}};
  for (const OpRow& row : rows) {
    SCOPED_TRACE(testing::PrintToString(row));
    check_reference(row);
  }
}

TEST(reference, knows_every_op) {
  for (const OpEntry& entry : registry().ops) {
    if (!entry.cpu) continue;  // only in a GPU's graphs, in place of ops that have one
    ReferenceSetup setup{.inputs = {{1, 4, 4, 2}}};
    setup.attributes.set("filters", 1);
    setup.attributes.set("units", 1);
    EXPECT_NE(make_reference(entry.name, setup), nullptr) << entry.name;
  }
}

// Values worked out by hand.
TEST(reference, convolves_as_on_paper) {
  ReferenceSetup setup{.inputs = {{1, 2, 2, 1}}};
  setup.attributes.set("filters", 1);
  setup.attributes.set("kernel", 3);
  const auto conv = make_reference("conv2d", setup);
  const ReferenceTensors t{{{1, 2, 3, 4}}, {{1, 2, 3, 4, 5, 6, 7, 8, 9}, {0.5}}};
  // The window's middle (5) lies on each pixel in turn.
  const Doubles wanted{5 + 12 + 24 + 36 + 0.5, 4 + 10 + 21 + 32 + 0.5, 2 + 6 + 15 + 24 + 0.5,
                       1 + 4 + 12 + 20 + 0.5};
  EXPECT_EQ(conv->forward(t), wanted);
}

TEST(reference, average_pool_counts_padding_only_if_asked) {
  ReferenceSetup setup{.inputs = {{1, 2, 2, 1}}};
  setup.attributes.set("kernel", 2);
  setup.attributes.set("stride", 1);
  const ReferenceTensors t{{{1, 2, 3, 4}}, {}};
  EXPECT_EQ(make_reference("average_pool", setup)->forward(t), (Doubles{2.5, 3, 3.5, 4}));
  setup.attributes.set("count_include_padding", true);
  EXPECT_EQ(make_reference("average_pool", setup)->forward(t), (Doubles{2.5, 1.5, 1.75, 1}));
}

}  // namespace
}  // namespace engine::test
