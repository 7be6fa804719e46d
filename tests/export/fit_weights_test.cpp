// Weights of other programs: what is taken, and what is said about the rest.

#include "engine/run/fit_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/core/error.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

template <class T>
NamedTensor make(const std::string& name, DType type, std::vector<int64_t> dims,
                 const std::vector<T>& values) {
  NamedTensor tensor{name, type, std::move(dims), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

NamedTensor ones(const std::string& name, std::vector<int64_t> dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  return make(name, DType::f32, std::move(dims), std::vector<float>(static_cast<size_t>(count), 1));
}

class FitWeights : public testing::Test {
 protected:
  FitWeights()
      : network_(SmallNetwork::from_text(R"({"image": [4, 4, 2], "classes": 3, "batch": 1,
          "network": {"nodes": [
            {"name": "stem", "op": "conv2d", "filters": 4, "kernel": [1, 3]},
            {"name": "bn", "op": "batch_normalization"},
            {"name": "gap", "op": "global_average_pool"},
            {"name": "classifier", "op": "dense", "units": 3}]}})")),
        graph_(
            build_graph(network_.network, network_.image, network_.context, network_.registry, {})),
        good_{ones("classifier.bias", {3}),
              ones("classifier.weight", {3, 4}),
              ones("bn.weight", {4}),
              ones("bn.bias", {4}),
              ones("bn.running_mean", {4}),
              ones("bn.running_var", {4}),
              ones("stem.weight", {4, 2, 1, 3}),
              ones("stem.bias", {4})} {}

  NamedTensor& tensor(std::string_view name) {
    for (NamedTensor& each : good_) {
      if (each.name == name) return each;
    }
    throw std::runtime_error("no tensor " + std::string(name));
  }

  std::string refusal(std::vector<NamedTensor> tensors) const {
    try {
      fit_weights(graph_, std::move(tensors), "w.safetensors");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
      return error.what();
    }
    return "nothing was refused";
  }

  SmallNetwork network_;
  Graph graph_;
  std::vector<NamedTensor> good_;
};

TEST_F(FitWeights, ComeInTheOrderOfTheNodes) {
  const FittedWeights fitted = fit_weights(graph_, good_, "w");
  ASSERT_EQ(fitted.parameters.size(), 8u);
  EXPECT_EQ(fitted.parameters[0].name, "stem.weight");
  EXPECT_EQ(fitted.parameters[7].name, "classifier.bias");
  EXPECT_TRUE(fitted.converted.empty());
}

TEST_F(FitWeights, OtherFloatsBecomeFloat32) {
  // Bits of IEEE half precision: 1, -2, the largest, the smallest subnormal.
  tensor("bn.weight") =
      make<uint16_t>("bn.weight", DType::f16, {4}, {0x3C00, 0xC000, 0x7BFF, 0x0001});
  tensor("bn.bias") = make<uint16_t>("bn.bias", DType::bf16, {4}, {0x3F80, 0xC000, 0x4049, 0x0000});
  tensor("stem.bias") = make<double>("stem.bias", DType::f64, {4}, {0.1, -1e30, 1e-30, 3});
  const FittedWeights fitted = fit_weights(graph_, good_, "w");
  EXPECT_EQ(fitted.converted.size(), 3u);
  const auto expect = [&](size_t parameter, std::vector<float> expected) {
    const NamedTensor& found = fitted.parameters[parameter];
    EXPECT_EQ(found.dtype, DType::f32);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(found.f32()[i], expected[i]) << found.name << i;
  };
  expect(1, {0.1f, -1e30f, 1e-30f, 3});
  expect(2, {1, -2, 65504, std::ldexp(1.0f, -24)});
  expect(3, {1, -2, 3.140625f, 0});
}

TEST_F(FitWeights, EverythingThatIsWrongIsSaidAtOnce) {
  tensor("stem.weight").name = "stemm.weight";
  tensor("classifier.weight") = ones("classifier.weight", {4, 3});
  tensor("classifier.bias") = make<int64_t>("classifier.bias", DType::i64, {3}, {1, 2, 3});
  tensor("bn.running_var").f32()[2] = std::numeric_limits<float>::infinity();
  tensor("bn.bias") = make<double>("bn.bias", DType::f64, {4}, {0, 1e300, 0, 0});
  good_.push_back(ones("head.weight", {1}));
  EXPECT_EQ(refusal(good_), R"(w.safetensors: the weights do not fit the network:
  "classifier.bias" is int64, expected float32, float64, float16 or bfloat16
  "classifier.weight" is [4, 3], the network has [3, 4]: transpose it, the order is [out, in]
  "bn.bias" holds inf at element 1 (as float32): expected finite numbers
  "bn.running_var" holds inf at element 2: expected finite numbers
  "stemm.weight" is not in the network; did you mean "stem.weight"?
  "head.weight" is not in the network
  "stem.weight" is missing)");
}

TEST_F(FitWeights, HalfPrecisionsInfinityIsRefusedToo) {
  tensor("bn.weight") = make<uint16_t>("bn.weight", DType::f16, {4}, {0, 0, 0, 0x7C00});
  tensor("bn.bias") = make<uint16_t>("bn.bias", DType::f16, {4}, {0, 0x7E00, 0, 0});
  const std::string text = refusal(good_);
  EXPECT_NE(text.find("\"bn.weight\" holds inf at element 3"), std::string::npos) << text;
  EXPECT_NE(text.find("\"bn.bias\" holds nan at element 1"), std::string::npos) << text;
}

TEST_F(FitWeights, AnotherOrderOfAFilterIsNamed) {
  tensor("stem.weight") = ones("stem.weight", {1, 3, 2, 4});
  EXPECT_NE(refusal(good_).find("\"stem.weight\" is [1, 3, 2, 4], the network has [4, 2, 1, 3]: is "
                                "it in another order? Expected [out, in / groups, height, width]"),
            std::string::npos)
      << refusal(good_);
}

TEST_F(FitWeights, AWrappersPrefixIsOneFinding) {
  for (NamedTensor& each : good_) each.name = "module." + each.name;
  const std::string text = refusal(good_);
  EXPECT_NE(text.find("every name begins with \"module.\""), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST_F(FitWeights, CountersOfBatchesAreLeftOut) {
  good_.push_back(make<int64_t>("bn.num_batches_tracked", DType::i64, {}, {7}));
  EXPECT_EQ(fit_weights(graph_, good_, "w").ignored,
            std::vector<std::string>{"bn.num_batches_tracked"});
  good_.back().name = "stem.num_batches_tracked";
  EXPECT_NE(refusal(good_).find("\"stem.num_batches_tracked\" is not in the network"),
            std::string::npos);
}

TEST_F(FitWeights, AFileOfAnotherNetworkIsNoFlood) {
  std::vector<NamedTensor> foreign;
  for (int i = 0; i < 100; ++i) foreign.push_back(ones(fmt::format("layer{}.kernel", i), {1}));
  const std::string text = refusal(foreign);
  EXPECT_NE(text.find("and 88 more"), std::string::npos) << text;
}

}  // namespace
}  // namespace engine::test
