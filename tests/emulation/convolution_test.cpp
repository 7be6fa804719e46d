// The convolutions that stand in for cuDNN's and cuBLASLt's, in each precision.

#include "engine/cuda/convolution.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "engine/core/device.h"

namespace engine::test {
namespace {

using Floats = std::vector<float>;

/// One image of 1 x 2 pixels and 2 channels, one filter of 1x1: y = x0 w0 + x1 w1 + bias.
ConvolutionShape two_products(Precision precision) {
  ConvolutionShape shape{.input = {1, 1, 2, 2}, .output = {1, 1, 2, 1}};
  shape.window = {.kernel_h = 1, .kernel_w = 1, .out_h = 1, .out_w = 2};
  shape.bias = true;
  shape.precision = precision;
  return shape;
}

/// Numbers in device memory, of the type that a precision stores.
class Stored {
 public:
  Stored(Device& device, Precision precision, const Floats& values)
      : device_(device), bf16_(storage_type(precision) == DType::bf16), count_(values.size()) {
    buffer_ = Buffer(device, count_ * sizeof(float));
    std::vector<uint16_t> halves;
    for (const float value : values) halves.push_back(std::bit_cast<uint32_t>(value) >> 16);
    const void* from = bf16_ ? static_cast<const void*>(halves.data()) : values.data();
    device.copy_to_device(buffer_.data(), from, count_ * (bf16_ ? 2 : 4));
  }
  void* data() const { return buffer_.data(); }
  Floats read() const {
    Floats values(count_);
    std::vector<uint16_t> halves(count_);
    if (!bf16_) {
      device_.copy_to_host(values.data(), data(), count_ * sizeof(float));
      return values;
    }
    device_.copy_to_host(halves.data(), data(), count_ * sizeof(uint16_t));
    for (size_t i = 0; i < count_; ++i) values[i] = std::bit_cast<float>(uint32_t{halves[i]} << 16);
    return values;
  }

 private:
  Device& device_;
  bool bf16_;
  size_t count_;
  Buffer buffer_;
};

class EmulatedConvolution : public testing::TestWithParam<ProductLibrary> {};

Floats forward(const ConvolutionShape& shape, const Floats& x, const Floats& w, float bias) {
  CudaDevice device(0, nullptr, EmulatedConvolution::GetParam());
  const auto plans = make_convolution_plans(device, shape, {ConvolutionPass::forward});
  const Stored on_x(device, shape.precision, x), on_w(device, shape.precision, w),
      on_bias(device, shape.precision, {bias}), on_y(device, shape.precision, {7, 7});
  const Buffer workspace(device, plans->workspace_bytes());
  plans->forward(on_x.data(), on_w.data(), on_bias.data(), on_y.data(), workspace.data());
  return on_y.read();
}

// 1 + 2^-10 has the last bit of tf32; 1 + 2^-7 that of bf16.
const float kTf32 = 1 + 1.0f / 1024, kBf16 = 1 + 1.0f / 128;

TEST_P(EmulatedConvolution, KeepsEveryBitInFp32) {
  const float x = 1 + 1.0f / (1 << 20);
  EXPECT_EQ(forward(two_products(Precision::fp32), {x, 0, 0, 3}, {1, 1}, 0.5f),
            (Floats{x + 0.5f, 3.5f}));
}

TEST_P(EmulatedConvolution, RoundsFactorsInTf32ButNotTheBias) {
  const float more = kTf32 + 1.0f / (1 << 20);  // rounds to kTf32
  const float bias = 1.0f / (1 << 20);
  EXPECT_EQ(forward(two_products(Precision::tf32), {more, 0, 0, 1}, {1, more}, bias),
            (Floats{kTf32 + bias, kTf32 + bias}));
  // Halfway between two: the even one, here 1.
  const float half = 1 + 1.0f / 2048;
  EXPECT_EQ(forward(two_products(Precision::tf32), {half, 0, 0, 0}, {1, 1}, 0), (Floats{1, 0}));
}

TEST_P(EmulatedConvolution, StoresBf16RoundedToNearestEven) {
  const ConvolutionShape shape = two_products(Precision::bf16);
  EXPECT_EQ(forward(shape, {kBf16, 0, 2, 3}, {1, 1}, 0), (Floats{kBf16, 5}));
  // 1 + 2^-8 is halfway between 1 and 1 + 2^-7; with a little more it is not.
  EXPECT_EQ(forward(shape, {1, 1.0f / 256, 1, 1.0f / 256}, {1, 1}, 0), (Floats{1, 1}));
  EXPECT_EQ(forward(shape, {1, 1.0f / 256, 1, 1.0f / 256}, {1, 1}, 1.0f / 4096),
            (Floats{kBf16, kBf16}));
}

TEST_P(EmulatedConvolution, ReluMakesNanZeroAndNothingElseDoes) {
  const float nan = std::nanf("");
  for (const auto precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    ConvolutionShape shape = two_products(precision);
    EXPECT_TRUE(std::isnan(forward(shape, {nan, 0, 1, 1}, {1, 1}, 0)[0]));
    shape.relu = true;
    EXPECT_EQ(forward(shape, {nan, 0, 1, 1}, {1, 1}, 0), (Floats{0, 2}));
    EXPECT_EQ(forward(shape, {1, -4, 4, -1}, {1, 1}, 0.5f), (Floats{0, 3.5f}));
  }
}

TEST_P(EmulatedConvolution, GradientsAreOfTheSameType) {
  CudaDevice device(0, nullptr, GetParam());
  const ConvolutionShape shape = two_products(Precision::bf16);
  const auto plans = make_convolution_plans(
      device, shape, {ConvolutionPass::backward_data, ConvolutionPass::backward_filter});
  const Stored x(device, shape.precision, {1, 2, 3, 4}), w(device, shape.precision, {5, 6}),
      dy(device, shape.precision, {1, 10}), dx(device, shape.precision, {0, 0, 0, 0}),
      dw(device, shape.precision, {0, 0});
  const Buffer workspace(device, plans->workspace_bytes());
  plans->backward_data(dy.data(), w.data(), dx.data(), workspace.data());
  plans->backward_filter(x.data(), dy.data(), dw.data(), workspace.data());
  EXPECT_EQ(dx.read(), (Floats{5, 6, 50, 60}));
  EXPECT_EQ(dw.read(), (Floats{31, 42}));
}

INSTANTIATE_TEST_SUITE_P(By, EmulatedConvolution,
                         testing::Values(ProductLibrary::cudnn, ProductLibrary::cublaslt),
                         [](const auto& info) {
                           return info.param == ProductLibrary::cudnn ? "cudnn" : "cublaslt";
                         });

}  // namespace
}  // namespace engine::test
