// Random attributes and shapes for every op: a few here, 2,000 an op with ENGINE_LONG_TESTS.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

class Draw {
 public:
  explicit Draw(uint32_t seed) : engine_(seed) {}
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int one_in) { return integer(1, one_in) == 1; }
  /// Sizes where vectors and tiles begin and end are as likely as all others together.
  int64_t channels() {
    static constexpr int64_t kEdges[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64};
    return chance(2) ? kEdges[integer(0, 12)] : integer(1, 40);
  }
  Shape image() { return {integer(1, 4), integer(1, 12), integer(1, 12), channels()}; }
  std::string pair(int64_t low, int64_t high) {
    if (chance(2)) return std::to_string(integer(low, high));
    return fmt::format("[{}, {}]", integer(low, high), integer(low, high));
  }
  std::string padding() {
    switch (integer(1, 5)) {
      case 1:
        return R"("valid")";
      case 2:
        return std::to_string(integer(0, 2));
      case 3:
        return fmt::format("[{}, {}]", integer(0, 2), integer(0, 2));
      case 4:
        return fmt::format("[{}, {}, {}, {}]", integer(0, 2), integer(0, 2), integer(0, 2),
                           integer(0, 2));
      default:
        return R"("same")";
    }
  }
  std::string activation() {
    static constexpr const char* kNames[] = {"none", "none", "relu", "relu",
                                             "gelu", "silu", "tanh"};
    return kNames[integer(0, 6)];
  }

 private:
  std::mt19937 engine_;
};

OpRow random_conv2d(Draw& draw) {
  Shape in = draw.image();
  const int64_t groups = draw.chance(4) ? draw.integer(1, 4) : 1;
  in.c = (in.c + groups - 1) / groups * groups;
  return {
      "conv2d",
      fmt::format(R"({{"filters": {}, "kernel": {}, "stride": {}, "dilation": {}, "padding": {}, )"
                  R"("groups": {}, "bias": {}, "activation": "{}"}})",
                  groups * draw.integer(1, groups > 1 ? 6 : 40), draw.pair(1, 6),
                  draw.chance(2) ? "1" : draw.pair(1, 4), draw.chance(4) ? draw.pair(1, 3) : "1",
                  draw.padding(), groups, !draw.chance(4), draw.activation()),
      {in}};
}

OpRow random_pool(Draw& draw, const char* op) {
  const std::string extra = op == std::string("average_pool") && draw.chance(2)
                                ? R"(, "count_include_padding": true)"
                                : "";
  return {op,
          fmt::format(R"({{"kernel": {}, "stride": {}, "padding": {}{}}})", draw.pair(1, 5),
                      draw.pair(1, 4), draw.padding(), extra),
          {draw.image()}};
}

OpRow random_row(const std::string& op, Draw& draw) {
  const Shape image = draw.image();
  const Shape vector{draw.integer(1, 40), 1, 1, draw.integer(1, 200)};
  if (op == "conv2d") return random_conv2d(draw);
  if (op == "max_pool" || op == "average_pool") return random_pool(draw, op.c_str());
  if (op == "dense") {
    return {op,
            fmt::format(R"({{"units": {}, "bias": {}, "activation": "{}"}})", draw.integer(1, 150),
                        !draw.chance(4), draw.activation()),
            {vector}};
  }
  if (op == "activation") {
    std::string function = draw.activation();
    if (function == "none") function = "gelu";
    return {op, fmt::format(R"({{"function": "{}"}})", function), {image}};
  }
  if (op == "dropout") {
    return {op,
            fmt::format(R"({{"rate": {}}})", static_cast<double>(draw.integer(0, 99)) / 100),
            {image}};
  }
  if (op == "add") {
    return {op, "{}", std::vector<Shape>(static_cast<size_t>(draw.integer(2, 5)), image)};
  }
  if (op == "concat") {
    std::vector<Shape> inputs(static_cast<size_t>(draw.integer(1, 5)), image);
    for (Shape& input : inputs) input.c = draw.channels();
    return {op, "{}", inputs};
  }
  if (op == "split") return {op, fmt::format(R"({{"copies": {}}})", draw.integer(1, 9)), {image}};
  if (op == "batch_normalization") {
    // Two values at least, and not so few that the variance may be next to nothing.
    return {op,
            fmt::format(R"({{"momentum": {}, "epsilon": 0.01}})",
                        static_cast<double>(draw.integer(0, 10)) / 10),
            {{image.n + 2, image.h + 1, image.w + 1, image.c}},
            3e-5};
  }
  if (op == "softmax_cross_entropy") {
    OpRow row{
        op,
        fmt::format(R"({{"label_smoothing": {}}})", static_cast<double>(draw.integer(0, 9)) / 10),
        {vector}};
    row.classes = vector.c;
    return row;
  }
  return {op, "{}", {image}};
}

/// Whether the window fits and so on: what does not is refused, which invalid_test.cpp looks at.
bool valid(const OpRow& row) {
  try {
    configure_op(row.op, row.attributes)->infer(row.inputs, {row.classes});
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::experiment);
    return false;
  }
}

class RandomShapes : public testing::TestWithParam<std::string_view> {};

TEST_P(RandomShapes, agree_with_the_reference) {
  const int count = std::getenv("ENGINE_LONG_TESTS") ? 2000 : 20;
  Draw draw(random_stream("shapes", GetParam()));
  int refused = 0;
  for (int done = 0; done < count;) {
    const OpRow row = random_row(std::string(GetParam()), draw);
    if (!valid(row)) {
      ASSERT_LT(++refused, 10 * count);
      continue;
    }
    check_op(row);
    ASSERT_FALSE(HasFailure());
    ++done;
  }
}

std::vector<std::string_view> op_names() {
  std::vector<std::string_view> names;
  for (const OpEntry& entry : registry().ops) {
    if (entry.cpu) names.push_back(entry.name);  // not what only a GPU's graphs have
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(ops, RandomShapes, testing::ValuesIn(op_names()),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace engine::test
