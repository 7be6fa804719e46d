#include "kernels/nn/conv2d.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"
#include "kernels/fused/stem.h"
#include "kernels/nn/activation.h"

namespace engine {

void Conv2d::keys(Keys& keys) {
  keys.integer(
      "filters", filters,
      {.doc = "Number of output channels.", .required = true, .minimum = 1, .maximum = 65536});
  keys.custom("kernel", kernel, {.doc = "Height and width of the window.", .required = true});
  keys.custom("stride", stride, {.doc = "Step of the window."});
  keys.custom("dilation", dilation, {.doc = "Distance of neighbouring taps of the window."});
  keys.integer("groups", groups,
               {.doc = "The channels are cut into this many groups that do not see each other; "
                       "as many as channels make a depthwise convolution.",
                .minimum = 1,
                .maximum = 65536});
  keys.custom("padding", padding, {.doc = "Pixels added around the image."});
  activation_key(keys, "activation", activation);
  keys.boolean("bias", bias, {.doc = "Whether a bias is added to each channel."});
  initializer_key(keys, "initializer", initializer, "How the weights start.");
}

Window Conv2d::window(const Shape& input) const {
  return make_window(input.h, input.w, kernel, stride, dilation, padding);
}

Signature Conv2d::infer(std::span<const Shape> inputs, const InferContext&) const {
  const Shape& in = inputs[0];
  const Window w = window(in);
  if (in.c % groups != 0 || filters % groups != 0) {
    fail(ExitCode::experiment,
         "groups {} must divide both the {} channels of the input and filters {}", groups, in.c,
         filters);
  }
  const int64_t channels = in.c / groups, taps = kernel.h * kernel.w;
  Signature signature{.output = {in.n, w.out_h, w.out_w, filters}};
  signature.parameters.push_back({"weight",
                                  {filters, channels, kernel.h, kernel.w},
                                  {initializer, taps * channels, taps * filters}});
  if (bias) signature.parameters.push_back({"bias", {filters}, {Initializer::Kind::zeros}});
  signature.multiply_adds = signature.output.elements() * channels * taps;
  return signature;
}

BackwardReads Conv2d::backward_reads() const {
  // The derivatives of relu and tanh follow from their values; kernels save what others need.
  const bool by_output = activation == Activation::relu || activation == Activation::tanh;
  return {.inputs = true, .output = by_output && !outer_gradient};
}

std::shared_ptr<const Op> Conv2d::with_outer_gradient() const {
  if (activation != Activation::relu || !bias) return nullptr;
  auto op = std::make_shared<Conv2d>(*this);
  op->outer_gradient = true;
  return op;
}

std::shared_ptr<const Op> Conv2d::fused_with(const Op& user, const Shape& input) const {
  if (user.type() != "max_pool") return nullptr;
  return Stem::of(*this, static_cast<const MaxPool&>(user), input);
}

std::string Conv2d::brief() const {
  std::string text = fmt::format("{}x{}", kernel.h, kernel.w);
  if (stride.h != stride.w) {
    text += fmt::format("/{}x{}", stride.h, stride.w);
  } else if (stride.h != 1) {
    text += fmt::format("/{}", stride.h);
  }
  if (dilation.h != 1 || dilation.w != 1) {
    text += fmt::format(", dilation {}x{}", dilation.h, dilation.w);
  }
  if (groups != 1) text += fmt::format(", groups {}", groups);
  if (activation != Activation::none) {
    ActivationOp function;
    function.function = activation;
    text += ", " + function.brief();
  }
  return text;
}

PortableValue Conv2d::portable(const PortableNode& node) const {
  auto attributes = portable_window(window(node.shapes[0]));
  attributes.push_back({"dilations", std::vector{dilation.h, dilation.w}});
  attributes.push_back({"group", groups});
  std::vector<PortableValue> inputs{node.graph.as_image(node.inputs[0])};
  inputs.insert(inputs.end(), node.parameters.begin(), node.parameters.end());
  return portable_activation(node.graph, activation, node.graph.node("Conv", inputs, attributes));
}

}  // namespace engine
