// The study's network beside PyTorch in float64 (values from the folder of reference values).

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/core/safetensors.h"
#include "engine/graph/make_op.h"
#include "tests/support/paths.h"
#include "tests/support/reference.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

/// Errors of the losses before each step, mean error of the weights after all.
struct Deviation {
  std::vector<double> losses;
  double weights = 0;
};

class StudyNetwork : public testing::Test {
 protected:
  void SetUp() override {
    const auto shared = shared_dir();
    if (!shared) GTEST_SKIP() << "the folder with reference values is not on this machine";
    folder_ = *shared / "reference";
    network_ = std::make_unique<SmallNetwork>(description());
    weights_ = read("network_weights");
    forward_ = read("network_forward");
    images_ = values(tensor(forward_, "input"));
    const NamedTensor& labels = tensor(forward_, "labels");
    ASSERT_EQ(labels.dtype, DType::i64);
    const auto* wide = reinterpret_cast<const int64_t*>(labels.bytes.data());
    labels_.assign(wide, wide + labels.elements());
  }

  /// The network of experiments/gray.json, as the product ships it.
  static Value description() {
    const std::string file = (source_dir() / "experiments/gray.json").string();
    const Value gray = parse_json_or_throw(read_json_text(file), file, ExitCode::experiment);
    Value all = parse_json_or_throw(
        R"({"image": [32, 32, 1], "classes": 10, "batch": 16,
            "optimizer": {"type": "adam", "learning_rate": 0.001, "epsilon": 1e-7}})",
        "test.json", ExitCode::experiment);
    all.set("network", *gray.find("network"));
    return all;
  }

  std::vector<NamedTensor> read(const std::string& name) const {
    return read_safetensors((folder_ / (name + ".safetensors")).string());
  }

  static std::vector<double> doubles(const NamedTensor& from) {
    EXPECT_EQ(from.dtype, DType::f64);
    const auto* data = reinterpret_cast<const double*>(from.bytes.data());
    return {data, data + from.elements()};
  }

  std::unique_ptr<Executor> loaded() const {
    auto executor = network_->executor();
    executor->set_parameters(weights_);
    return executor;
  }

  Deviation train_twenty_steps(Executor& executor) const {
    const std::vector<NamedTensor> expected = read("network_adam20");
    Deviation deviation;
    for (const double loss : doubles(tensor(expected, "losses"))) {
      const double ours = executor.step_on(images_, labels_, 1e-3, false);
      deviation.losses.push_back(std::fabs(ours - loss));
    }
    EXPECT_EQ(executor.state().step, 20u);
    int64_t count = 0;
    for (const NamedTensor& weight : executor.parameters()) {
      const auto ours = values(weight), theirs = values(tensor(expected, weight.name));
      EXPECT_EQ(ours.size(), theirs.size());
      for (size_t i = 0; i < ours.size(); ++i) deviation.weights += std::fabs(ours[i] - theirs[i]);
      count += weight.elements();
    }
    deviation.weights /= static_cast<double>(count);
    return deviation;
  }

  std::filesystem::path folder_;
  std::unique_ptr<SmallNetwork> network_;
  std::vector<NamedTensor> weights_, forward_;
  std::span<const float> images_;
  std::vector<int32_t> labels_;
};

TEST_F(StudyNetwork, HasTheStudysParameters) {
  EXPECT_EQ(network_->executor()->training_graph().parameter_count(), 1245738);
}

TEST_F(StudyNetwork, GivesTheReferencesLogits) {
  const std::vector<float> logits = loaded()->logits(images_, 16);
  const std::vector<double> expected = doubles(tensor(forward_, "logits"));
  ASSERT_EQ(logits.size(), expected.size());
  for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-4) << i;
}

TEST_F(StudyNetwork, GivesTheReferencesGradients) {
  std::vector<NamedTensor> gradients;
  const double loss = loaded()->gradients(images_, labels_, false, gradients);
  EXPECT_NEAR(loss, doubles(tensor(forward_, "loss"))[0], 1e-5);
  const std::vector<NamedTensor> expected = read("network_gradients");
  ASSERT_EQ(gradients.size(), expected.size());
  for (const NamedTensor& gradient : gradients) {
    EXPECT_LT(relative_error(values(gradient), values(tensor(expected, gradient.name))), 1e-4)
        << gradient.name;
  }
}

/// 20 steps of Adam on the reference's batch. The reference ran in float64. Rounding decides a few
/// maxima and signs of this network differently: with any noise over about 2e-7 of an activation's
/// size inside inception_b the runs part after nine steps, however exact the rest is. PyTorch's own
/// float32 (five ways of running it) ends 1.0e-2 to 1.15e-2 away in loss, 7.5e-5 to 7.9e-5 in the
/// mean weight. So float32 kernels are held to that here, to 1e-4 before the runs part, and the
/// whole 20 steps to 1e-4 and 1e-5 with kernels that compute in double precision (below).
TEST_F(StudyNetwork, TrainsLikeTheReferenceAsFarAsFloat32Can) {
  const Deviation deviation = train_twenty_steps(*loaded());
  for (size_t step = 0; step < 20; ++step) {
    EXPECT_LT(deviation.losses[step], step < 9 ? 1e-4 : 2e-2) << step;
  }
  EXPECT_LT(deviation.weights, 2e-4);
}

/// An op's double-precision reference as a kernel; values between nodes are float32 as always.
class ReferenceKernel : public Kernel {
 public:
  explicit ReferenceKernel(const KernelSetup& setup) : Kernel(setup), type_(setup.op.type()) {
    setup_.attributes = Value(attributes_of(setup.op));
    setup_.inputs.assign(setup.inputs.begin(), setup.inputs.end());
    setup_.classes = setup.output.c;  // the study's one dense layer has "units": "classes"
  }
  void forward(const ForwardArgs& args) override {
    const Doubles y = make_reference(type_, setup_)->forward(tensors(args.x, args.parameters));
    ASSERT_EQ(static_cast<int64_t>(y.size()), args.y.shape.elements());
    std::copy(y.begin(), y.end(), args.y.f32());
  }
  void backward(const BackwardArgs& args) override {
    const Doubles dy(args.dy.f32(), args.dy.f32() + args.dy.shape.elements());
    const ReferenceTensors gradients =
        make_reference(type_, setup_)->backward(tensors(args.x, args.parameters), dy);
    if (args.dx[0]) std::copy(gradients.x[0].begin(), gradients.x[0].end(), args.dx[0].f32());
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const Doubles& from = gradients.parameters[p];
      std::copy(from.begin(), from.end(), static_cast<float*>(args.dparameters[p]));
    }
  }

 private:
  ReferenceTensors tensors(std::span<const TensorView> x, std::span<float* const> p) const {
    ReferenceTensors all;
    for (const TensorView& each : x) {
      all.x.emplace_back(each.f32(), each.f32() + each.shape.elements());
    }
    for (size_t i = 0; i < p.size(); ++i) {
      all.parameters.emplace_back(p[i], p[i] + parameters_[i].elements());
    }
    return all;
  }

  const std::string type_;
  ReferenceSetup setup_;
};

TEST_F(StudyNetwork, TrainsLikeTheReferenceInDoublePrecision) {
  for (OpEntry& entry : network_->registry.ops) {
    if (entry.name == "conv2d" || entry.name == "dense") {
      entry.cpu = make_kernel<ReferenceKernel>;
    }
  }
  const Deviation deviation = train_twenty_steps(*loaded());
  for (size_t step = 0; step < 20; ++step) EXPECT_LT(deviation.losses[step], 1e-4) << step;
  EXPECT_LT(deviation.weights, 1e-5);
}

}  // namespace
}  // namespace engine::test
