// Ten small networks beside PyTorch in float64: forward, gradients and 20 training steps, with all
// passes and with each of them switched off. NAME.json is the network, NAME.safetensors what
// PyTorch makes of it (make_golden.py).

#include <gtest/gtest.h>

#include <cmath>

#include "engine/core/safetensors.h"
#include "engine/graph/passes.h"
#include "tests/support/paths.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

constexpr const char* kNetworks[] = {
    "asymmetric_padding", "dense_layers", "depthwise_groups",    "dilated",  "inception_clipped",
    "many_users",         "plain_same",   "normalized_smoothed", "residual", "valid_windows"};

std::vector<std::string> variants() {
  std::vector<std::string> names{"all"};
  for (const PassInfo& pass : known_passes()) names.emplace_back(pass.name);
  return names;
}

std::vector<double> doubles(const NamedTensor& from) {
  const auto* data = reinterpret_cast<const double*>(from.bytes.data());
  return {data, data + from.elements()};
}

using Case = std::tuple<const char*, std::string>;  ///< network, pass that is switched off or "all"

class Golden : public testing::TestWithParam<Case> {
 protected:
  Golden() {
    const auto& [name, without] = GetParam();
    const std::string path = (source_dir() / "tests/golden" / name).string();
    network_ = std::make_unique<SmallNetwork>(SmallNetwork::from_file(path + ".json"));
    golden_ = read_safetensors(path + ".safetensors");
    executor_ = network_->executor(without == "all" ? std::vector<std::string>()
                                                    : std::vector<std::string>{without});
    executor_->set_parameters(part("initial/"));
    images_ = values(tensor(golden_, "input"));
    const NamedTensor& labels = tensor(golden_, "labels");
    const auto* wide = reinterpret_cast<const int64_t*>(labels.bytes.data());
    labels_.assign(wide, wide + labels.elements());
  }

  /// The tensors "prefix<name>" as "<name>".
  std::vector<NamedTensor> part(const std::string& prefix) const {
    std::vector<NamedTensor> found;
    for (const NamedTensor& each : golden_) {
      if (!each.name.starts_with(prefix)) continue;
      found.push_back(each);
      found.back().name = each.name.substr(prefix.size());
    }
    return found;
  }

  std::unique_ptr<SmallNetwork> network_;
  std::vector<NamedTensor> golden_;
  std::unique_ptr<Executor> executor_;
  std::span<const float> images_;
  std::vector<int32_t> labels_;
};

TEST_P(Golden, Forward) {
  const std::vector<float> logits = executor_->logits(images_, network_->batch);
  const std::vector<double> expected = doubles(tensor(golden_, "logits"));
  ASSERT_EQ(logits.size(), expected.size());
  for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-4) << i;
}

TEST_P(Golden, Gradients) {
  std::vector<NamedTensor> gradients;
  const double loss = executor_->gradients(images_, labels_, true, gradients);
  EXPECT_NEAR(loss, doubles(tensor(golden_, "losses"))[0], 1e-5);
  const std::vector<NamedTensor> expected = part("gradient/");
  ASSERT_EQ(gradients.size(), expected.size());
  for (const NamedTensor& gradient : gradients) {
    EXPECT_LT(relative_error(values(gradient), values(tensor(expected, gradient.name))), 1e-4)
        << gradient.name;
  }
  // Nothing has changed, the running statistics included.
  const std::vector<NamedTensor> initial = part("initial/");
  for (const NamedTensor& each : executor_->parameters()) {
    EXPECT_EQ(each.bytes, tensor(initial, each.name).bytes) << each.name;
  }
}

TEST_P(Golden, TwentySteps) {
  double rate = network_->optimizer->learning_rate;
  for (const double loss : doubles(tensor(golden_, "losses"))) {
    EXPECT_NEAR(executor_->step_on(images_, labels_, rate, true), loss, 1e-4);
  }
  EXPECT_EQ(executor_->state().step, 20u);
  const std::vector<NamedTensor> expected = part("final/");
  const std::vector<NamedTensor> ours = executor_->parameters();
  ASSERT_EQ(ours.size(), expected.size());
  for (const NamedTensor& each : ours) {
    EXPECT_LT(relative_error(values(each), values(tensor(expected, each.name))), 1e-4) << each.name;
  }
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const auto& [name, without] = info.param;
  return without == "all" ? name : std::string(name) + "_without_" + without;
}

INSTANTIATE_TEST_SUITE_P(Networks, Golden,
                         testing::Combine(testing::ValuesIn(kNetworks),
                                          testing::ValuesIn(variants())),
                         name_of);

}  // namespace
}  // namespace engine::test
