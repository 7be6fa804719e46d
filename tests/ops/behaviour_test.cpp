// What ops do where the definition leaves room, on values chosen by hand.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/nn/activation_math.h"
#include "tests/support/on_device.h"
#include "tests/support/op_harness.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

using Floats = std::vector<float>;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// A kernel on ordinary vectors, which lie packed in device memory while it runs, in training.
class Runner {
 public:
  Runner(const std::string& op, const std::string& attributes, std::vector<Shape> inputs,
         const std::string& node = "node")
      : inputs_(std::move(inputs)),
        device_(make_tested_device()),
        op_(configure_op(op, attributes)),
        signature_(op_->infer(inputs_, {})) {
    static constexpr bool kNeeded[] = {true, true, true, true};
    kernel_ = tested(*registry().op(op))({.op = *op_,
                                          .node = node,
                                          .inputs = inputs_,
                                          .output = signature_.output,
                                          .parameters = signature_.parameters,
                                          .training = true,
                                          .needs_dx = std::span(kNeeded, inputs_.size()),
                                          .seed = 1,
                                          .device = *device_});
    workspace_ = Buffer(*device_, kernel_->workspace_bytes() + 64);
    saved_ = Buffer(*device_, kernel_->saved_bytes() + 64);
  }

  Floats forward(const std::vector<Floats>& x) {
    std::vector<OnDevice<float>> memory;
    std::vector<TensorView> views;
    for (size_t i = 0; i < x.size(); ++i) {
      views.push_back(packed_view(memory.emplace_back(*device_, x[i]).data(), inputs_[i]));
    }
    std::vector<float*> pointers;
    for (const Floats& parameter : parameters) {
      pointers.push_back(memory.emplace_back(*device_, parameter).data());
    }
    y_ = Floats(static_cast<size_t>(signature_.output.elements()), kNaN);
    const OnDevice<float> y(*device_, y_);
    const std::vector<const void*> operands(pointers.begin(), pointers.end());
    with_batch([&](const Batch& batch) {
      kernel_->forward({.batch = batch,
                        .x = views,
                        .y = packed_view(y.data(), signature_.output),
                        .parameters = pointers,
                        .operands = operands,
                        .workspace = workspace_.data(),
                        .saved = saved_.data()});
    });
    return y_ = y.read();
  }

  Floats backward(const Floats& gradient) {
    const OnDevice<float> y(*device_, y_), dy(*device_, gradient);
    const OnDevice<float> dx(*device_, Floats(static_cast<size_t>(inputs_[0].elements()), kNaN));
    const std::vector<TensorView> x{{nullptr, inputs_[0], DType::f32, inputs_[0].c}};
    const std::vector<TensorView> to{packed_view(dx.data(), inputs_[0])};
    with_batch([&](const Batch& batch) {
      kernel_->backward({.batch = batch,
                         .x = x,
                         .y = packed_view(y.data(), signature_.output),
                         .dy = packed_view(dy.data(), signature_.output),
                         .dx = to,
                         .workspace = workspace_.data(),
                         .saved = saved_.data()});
    });
    return dx.read();
  }

  Kernel& kernel() { return *kernel_; }

  StepState state;
  std::vector<int32_t> samples = std::vector<int32_t>(100);
  std::vector<int32_t> labels;  ///< empty: none
  std::vector<Floats> parameters;

 private:
  template <class Work>
  void with_batch(const Work& work) {
    const OnDevice<StepState> at(*device_, {state});
    const OnDevice<int32_t> numbers(*device_, samples), classes(*device_, labels);
    work(Batch{at.data(), numbers.data(), classes.data(), true});
    state = at.read()[0];
  }

  std::vector<Shape> inputs_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Op> op_;
  Signature signature_;
  std::unique_ptr<Kernel> kernel_;
  Buffer workspace_, saved_;
  Floats y_;
};

TEST(max_pool, first_of_equals_wins) {
  Runner pool("max_pool", R"({"kernel": 2, "stride": 1, "padding": "valid"})", {{1, 2, 3, 1}});
  EXPECT_EQ(pool.forward({{7, 7, 7, 7, 7, 7}}), (Floats{7, 7}));
  EXPECT_EQ(pool.backward({1, 2}), (Floats{1, 2, 0, 0, 0, 0}));
  EXPECT_EQ(pool.forward({{1, 3, 3, 3, 3, 2}}), (Floats{3, 3}));
  EXPECT_EQ(pool.backward({1, 2}), (Floats{0, 3, 0, 0, 0, 0}));
}

TEST(max_pool, ties_agree_with_the_reference_everywhere) {
  const Shape shape{2, 9, 8, 37};
  Runner pool("max_pool", R"({"kernel": 3, "stride": 2})", {shape});
  ReferenceSetup setup{.inputs = {shape}};
  setup.attributes.set("kernel", 3);
  setup.attributes.set("stride", 2);
  const auto reference = make_reference("max_pool", setup);
  Floats x(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(philox4x32(static_cast<uint32_t>(i), 0, 0, 0, 0, 0).word[0] % 3);
  }
  const Doubles exact(x.begin(), x.end());
  const Floats y = pool.forward({x});
  EXPECT_EQ(Doubles(y.begin(), y.end()), reference->forward({{exact}, {}}));
  Floats dy(y.size());
  for (size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<float>(i % 17);
  const Floats dx = pool.backward(dy);
  EXPECT_EQ(Doubles(dx.begin(), dx.end()),
            reference->backward({{exact}, {}}, Doubles(dy.begin(), dy.end())).x[0]);
}

TEST(max_pool, padding_never_wins) {
  Runner pool("max_pool", R"({"kernel": 3, "stride": 1})", {{1, 2, 2, 1}});
  EXPECT_EQ(pool.forward({{-kInfinity, -kInfinity, -kInfinity, -5}}), Floats(4, -5));
  EXPECT_EQ(pool.forward({Floats(4, -kInfinity)}), Floats(4, -kInfinity));
  EXPECT_EQ(pool.backward({1, 1, 1, 1}), (Floats{4, 0, 0, 0}));
}

TEST(max_pool, passes_nan_on) {
  for (size_t place = 0; place < 4; ++place) {
    Runner pool("max_pool", R"({"kernel": 2, "stride": 2})", {{1, 2, 2, 1}});
    Floats x{1, 2, 3, 4};
    x[place] = kNaN;
    EXPECT_TRUE(std::isnan(pool.forward({x})[0])) << place;
  }
}

TEST(softmax_cross_entropy, counts_the_first_arg_max) {
  Runner loss("softmax_cross_entropy", "{}", {{3, 1, 1, 3}});
  loss.labels = {0, 1, 2};
  loss.forward({{1, 1, 1, 1, 1, 1, 0, 0, 5}});
  EXPECT_EQ(loss.state.correct, 2u);
  EXPECT_EQ(loss.state.seen, 3u);
  EXPECT_NEAR(loss.state.loss_sum, 2 * std::log(3.0) + std::log1p(2 * std::exp(-5.0)), 1e-12);
  loss.forward({{1, 1, 1, 1, 1, 1, 0, 0, 5}});
  EXPECT_EQ(loss.state.seen, 6u);
}

TEST(softmax_cross_entropy, large_logits_do_not_overflow) {
  Runner loss("softmax_cross_entropy", "{}", {{2, 1, 1, 2}});
  loss.labels = {0, 0};
  EXPECT_EQ(loss.forward({{1e6f, -1e6f, -1e6f, 1e6f}}), (Floats{1, 0, 0, 1}));
  EXPECT_EQ(loss.state.loss_sum, 2e6);
  EXPECT_EQ(loss.state.nonfinite, 0u);
  EXPECT_EQ(loss.backward({0, 0, 0, 0}), (Floats{0, 0, -0.5, 0.5}));
}

TEST(softmax_cross_entropy, says_when_the_loss_is_not_finite) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    for (size_t place = 0; place < 3; ++place) {
      Runner loss("softmax_cross_entropy", "{}", {{1, 1, 1, 3}});
      loss.labels = {static_cast<int32_t>(place)};
      Floats x{1, 2, 3};
      x[place] = bad;
      loss.forward({x});
      EXPECT_EQ(loss.state.nonfinite, 1u) << bad << " at " << place;
    }
  }
}

TEST(softmax_cross_entropy, counts_nothing_without_labels) {
  Runner loss("softmax_cross_entropy", "{}", {{1, 1, 1, 2}});
  EXPECT_EQ(loss.forward({{3, 3}}), (Floats{0.5, 0.5}));
  EXPECT_EQ(loss.state.seen, 0u);
  EXPECT_EQ(loss.state.loss_sum, 0);
}

TEST(concat, leaves_alone_what_is_in_its_place) {
  const std::unique_ptr<Device> device = make_tested_device();
  const auto op = configure_op("concat", "{}");
  const std::vector<Shape> inputs{{1, 1, 2, 2}, {1, 1, 2, 1}};
  const auto kernel = tested(*registry().op("concat"))(
      {.op = *op, .inputs = inputs, .output = {1, 1, 2, 3}, .device = *device});
  const OnDevice<float> y(*device, {1, 2, 0, 3, 4, 0}), second(*device, {8, 9});
  const std::vector<TensorView> x{{y.data(), inputs[0], DType::f32, 3},
                                  packed_view(second.data(), inputs[1])};
  kernel->forward({.batch = {}, .x = x, .y = packed_view(y.data(), {1, 1, 2, 3})});
  EXPECT_EQ(y.read(), (Floats{1, 2, 8, 3, 4, 9}));
}

TEST(split, may_sum_into_the_first_gradient) {
  const std::unique_ptr<Device> device = make_tested_device();
  for (const int copies : {1, 2, 3, 4, 5, 6}) {
    const auto op = configure_op("split", fmt::format(R"({{"copies": {}}})", copies));
    const Shape shape{1, 1, 1, 2};
    const auto kernel = tested(*registry().op("split"))(
        {.op = *op, .inputs = {&shape, 1}, .output = shape, .device = *device});
    std::vector<OnDevice<float>> gradients;
    std::vector<TensorView> views;
    for (int i = 0; i < copies; ++i) {
      gradients.emplace_back(*device, Floats{1.0f * static_cast<float>(i), 10});
      views.push_back(packed_view(gradients.back().data(), shape));
    }
    kernel->backward({.batch = {}, .x = views, .dx = {views.data(), 1}});
    EXPECT_EQ(gradients[0].read(), (Floats{0.5f * static_cast<float>(copies * (copies - 1)),
                                           10.0f * static_cast<float>(copies)}));
  }
}

/// What is left of ones, for samples first ... first + n - 1.
Floats dropped(int64_t n, int32_t first, uint32_t epoch, const std::string& node = "node") {
  Runner dropout("dropout", R"({"rate": 0.25})", {{n, 3, 5, 67}}, node);
  for (size_t i = 0; i < dropout.samples.size(); ++i)
    dropout.samples[i] = first + static_cast<int32_t>(i);
  dropout.state.epoch = epoch;
  return dropout.forward({Floats(static_cast<size_t>(n * 3 * 5 * 67), 1)});
}

TEST(dropout, does_not_depend_on_the_batch) {
  const Floats whole = dropped(6, 40, 2);
  Floats parts = dropped(1, 40, 2);
  for (const auto& [n, first] : std::vector<std::pair<int64_t, int32_t>>{{2, 41}, {3, 43}}) {
    const Floats part = dropped(n, first, 2);
    parts.insert(parts.end(), part.begin(), part.end());
  }
  EXPECT_EQ(whole, parts);
}

TEST(dropout, differs_by_epoch_sample_and_node) {
  const Floats one = dropped(1, 40, 2);
  EXPECT_NE(one, dropped(1, 40, 3));
  EXPECT_NE(one, dropped(1, 41, 2));
  EXPECT_NE(one, dropped(1, 40, 2, "other"));
}

TEST(dropout, drops_the_stated_share) {
  const Floats values = dropped(100, 0, 0);
  double zeros = 0;
  for (const float value : values) {
    if (value == 0)
      ++zeros;
    else
      ASSERT_EQ(value, 1.0f / 0.75f);
  }
  const double count = static_cast<double>(values.size()),
               deviation = std::sqrt(count * 0.25 * 0.75);
  EXPECT_NEAR(zeros, 0.25 * count, 4 * deviation);
}

TEST(batch_normalization, large_means_cost_no_digits) {
  const Shape shape{64, 4, 4, 3};
  Runner norm("batch_normalization", R"({"epsilon": 1e-12})", {shape});
  norm.parameters = {{1, 1, 1}, {0, 0, 0}, {0, 0, 0}, {1, 1, 1}};
  Floats x(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < x.size(); ++i) x[i] = 4096.0f + static_cast<float>(i / 3 % 2) * 0.5f;
  const Floats y = norm.forward({x});
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], i / 3 % 2 ? 1 : -1, 1e-4);
}

template <Activation F>
void check_function(const std::string& name) {
  double worst = 0, worst_slope = 0;
  for (int i = 0; i < 140'000; ++i) {
    const double at = -120 + 0.00171 * i;
    const float x = static_cast<float>(at), y = activate<F>(x);
    const float v = F == Activation::relu || F == Activation::tanh ? y : x;
    const double scale = std::max(1.0, std::abs(at));
    worst = std::max(worst, std::abs(y - reference_activation(name, x)) / scale);
    worst_slope = std::max(worst_slope,
                           std::abs(activation_slope<F>(v) - reference_activation_slope(name, x)));
  }
  EXPECT_LT(worst, 2e-7) << name;
  EXPECT_LT(worst_slope, 1e-6) << name;
  EXPECT_TRUE(std::isnan(activate<F>(kNaN))) << name;
  for (const float x : {1e4f, 1e20f, 3e38f}) {
    const float line = F == Activation::tanh ? 1 : x;
    EXPECT_EQ(activate<F>(x), line) << name;
    EXPECT_EQ(activate<F>(-x), F == Activation::tanh ? -1 : 0) << name << -x;
    EXPECT_EQ(activation_slope<F>(F == Activation::tanh ? 1 : -x), 0) << name << -x;
  }
  for (const float x : {1e-10f, -1e-30f, 0.0f}) {
    EXPECT_FLOAT_EQ(activate<F>(x), static_cast<float>(reference_activation(name, x))) << name << x;
  }
}

TEST(activation, is_accurate_everywhere) {
  check_function<Activation::relu>("relu");
  check_function<Activation::gelu>("gelu");
  check_function<Activation::silu>("silu");
  check_function<Activation::tanh>("tanh");
}

}  // namespace
}  // namespace engine::test
