#include "kernels/nn/dense.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"
#include "kernels/nn/activation.h"

namespace engine {
namespace {

constexpr int64_t kMostUnits = 1 << 20;

}  // namespace

std::optional<std::string> Units::read(const Value& value) {
  if (value.is(Value::Kind::string) && value.string() == "classes") {
    count = 0;
    return std::nullopt;
  }
  if (value.is(Value::Kind::integer) && value.integer() >= 1 && value.integer() <= kMostUnits) {
    count = value.integer();
    return std::nullopt;
  }
  return fmt::format("\"classes\" or an integer from 1 to {}", kMostUnits);
}

Value Units::write() const {
  return count ? Value(count) : Value("classes");
}

Value Units::schema() const {
  Value number = Object{};
  number.set("type", "integer");
  number.set("minimum", 1);
  number.set("maximum", kMostUnits);
  Value classes = Object{};
  classes.set("const", "classes");
  Value schema = Object{};
  schema.set("oneOf", Array{classes, number});
  return schema;
}

void Dense::keys(Keys& keys) {
  keys.custom("units", units,
              {.doc = "Number of outputs; \"classes\" takes the number of the data set's classes.",
               .required = true});
  activation_key(keys, "activation", activation);
  keys.boolean("bias", bias, {.doc = "Whether a bias is added to each output."});
  initializer_key(keys, "initializer", initializer, "How the weights start.");
}

Signature Dense::infer(std::span<const Shape> inputs, const InferContext& context) const {
  const Shape& in = inputs[0];
  if (in.h != 1 || in.w != 1) {
    fail(ExitCode::experiment,
         "dense needs a vector for each sample but gets {}: put flatten or global_average_pool "
         "before it",
         to_string(in));
  }
  const int64_t outputs = units.count ? units.count : context.classes;
  if (outputs < 1) {
    fail(ExitCode::experiment, "\"units\": \"classes\" needs a data set with classes");
  }
  Signature signature{.output = {in.n, 1, 1, outputs}};
  signature.parameters.push_back({"weight", {outputs, in.c}, {initializer, in.c, outputs}});
  if (bias) signature.parameters.push_back({"bias", {outputs}, {Initializer::Kind::zeros}});
  signature.multiply_adds = signature.output.elements() * in.c;
  return signature;
}

BackwardReads Dense::backward_reads() const {
  const bool by_output = activation == Activation::relu || activation == Activation::tanh;
  return {.inputs = true, .output = by_output};
}

std::string Dense::brief() const {
  ActivationOp function;
  function.function = activation;
  return function.brief();
}

PortableValue Dense::portable(const PortableNode& node) const {
  std::vector<PortableValue> inputs{node.graph.as_vector(node.inputs[0])};
  inputs.insert(inputs.end(), node.parameters.begin(), node.parameters.end());
  return portable_activation(node.graph, activation,
                             node.graph.node("Gemm", inputs, {{"transB", int64_t{1}}}));
}

}  // namespace engine
