#include "tests/support/reference.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace engine::test {

double number_or(const Value& attributes, std::string_view key, double fallback) {
  const Value* value = attributes.find(key);
  return value ? value->number() : fallback;
}
std::string string_or(const Value& attributes, std::string_view key, std::string_view fallback) {
  const Value* value = attributes.find(key);
  return value ? value->string() : std::string(fallback);
}
bool boolean_or(const Value& attributes, std::string_view key, bool fallback) {
  const Value* value = attributes.find(key);
  return value ? value->boolean() : fallback;
}

double reference_activation(const std::string& function, double x) {
  if (function == "none") return x;
  if (function == "relu") return std::max(x, 0.0);
  if (function == "gelu") return x * 0.5 * std::erfc(-x / std::numbers::sqrt2);
  if (function == "silu") return x / (1 + std::exp(-x));
  if (function == "tanh") return std::tanh(x);
  throw std::invalid_argument(function);
}

double reference_activation_slope(const std::string& function, double x) {
  if (function == "none") return 1;
  if (function == "relu") return x > 0 ? 1 : 0;
  if (function == "gelu") {
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    return 0.5 * std::erfc(-x / std::numbers::sqrt2) + x * density;
  }
  const double s = 1 / (1 + std::exp(-x));
  if (function == "silu") return s + x * s * (1 - s);
  if (function == "tanh") return 1 - std::tanh(x) * std::tanh(x);
  throw std::invalid_argument(function);
}

double ReferenceOp::objective(const ReferenceTensors& t, const Doubles& dy) const {
  const Doubles y = forward(t);
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
  return sum;
}

namespace {

class ReferenceDense : public ReferenceOp {
 public:
  explicit ReferenceDense(const ReferenceSetup& setup)
      : ReferenceOp(setup),
        bias_(boolean_or(setup.attributes, "bias", true)),
        activation_(string_or(setup.attributes, "activation", "none")) {
    const Value& units = *setup.attributes.find("units");
    units_ = units.is(Value::Kind::integer) ? units.integer() : setup.classes;
  }

  Shape output() const override { return {in_.n, 1, 1, units_}; }
  std::vector<std::vector<int64_t>> parameter_dims() const override {
    if (bias_) return {{units_, in_.c}, {units_}};
    return {{units_, in_.c}};
  }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y = argument(t);
    for (double& v : y) v = reference_activation(activation_, v);
    return y;
  }
  Doubles relu_argument(const ReferenceTensors& t) const override {
    return activation_ == "relu" ? argument(t) : Doubles{};
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    const Doubles z = argument(t);
    const size_t ins = static_cast<size_t>(in_.c), outs = static_cast<size_t>(units_);
    ReferenceTensors d{{Doubles(t.x[0].size())}, {}};
    for (const Doubles& parameter : t.parameters) d.parameters.emplace_back(parameter.size());
    for (size_t i = 0; i < z.size(); ++i) {
      const size_t n = i / outs, o = i % outs;
      const double dz = dy[i] * reference_activation_slope(activation_, z[i]);
      if (bias_) d.parameters[1][o] += dz;
      for (size_t k = 0; k < ins; ++k) {
        d.x[0][n * ins + k] += dz * t.parameters[0][o * ins + k];
        d.parameters[0][o * ins + k] += dz * t.x[0][n * ins + k];
      }
    }
    return d;
  }

 private:
  Doubles argument(const ReferenceTensors& t) const {
    const size_t ins = static_cast<size_t>(in_.c), outs = static_cast<size_t>(units_);
    Doubles z(static_cast<size_t>(in_.n) * outs);
    for (size_t i = 0; i < z.size(); ++i) {
      const size_t n = i / outs, o = i % outs;
      double sum = bias_ ? t.parameters[1][o] : 0;
      for (size_t k = 0; k < ins; ++k) sum += t.x[0][n * ins + k] * t.parameters[0][o * ins + k];
      z[i] = sum;
    }
    return z;
  }

  int64_t units_;
  bool bias_;
  std::string activation_;
};

class ReferenceGlobalAveragePool : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override { return {in_.n, 1, 1, in_.c}; }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y(static_cast<size_t>(in_.n * in_.c));
    for (size_t i = 0; i < t.x[0].size(); ++i) y[target(i)] += t.x[0][i] / pixels();
    return y;
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    ReferenceTensors d{{Doubles(t.x[0].size())}, {}};
    for (size_t i = 0; i < t.x[0].size(); ++i) d.x[0][i] = dy[target(i)] / pixels();
    return d;
  }

 private:
  double pixels() const { return static_cast<double>(in_.h * in_.w); }
  size_t target(size_t i) const {
    const size_t c = static_cast<size_t>(in_.c);
    return i / static_cast<size_t>(in_.per_sample()) * c + i % c;
  }
};

class ReferenceActivation : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override { return in_; }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y = t.x[0];
    for (double& v : y) v = reference_activation(function(), v);
    return y;
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    ReferenceTensors d{{dy}, {}};
    for (size_t i = 0; i < dy.size(); ++i) {
      d.x[0][i] *= reference_activation_slope(function(), t.x[0][i]);
    }
    return d;
  }

 private:
  std::string function() const { return string_or(setup_.attributes, "function", "none"); }
};

class ReferenceAdd : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override { return in_; }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y(t.x[0].size());
    for (const Doubles& x : t.x) {
      for (size_t i = 0; i < y.size(); ++i) y[i] += x[i];
    }
    return y;
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    return {std::vector<Doubles>(t.x.size(), dy), {}};
  }
};

class ReferenceConcat : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override {
    Shape out = in_;
    out.c = 0;
    for (const Shape& input : setup_.inputs) out.c += input.c;
    return out;
  }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y;
    for (int64_t pixel = 0; pixel < in_.pixels(); ++pixel) {
      for (size_t i = 0; i < t.x.size(); ++i) {
        const auto first = t.x[i].begin() + pixel * setup_.inputs[i].c;
        y.insert(y.end(), first, first + setup_.inputs[i].c);
      }
    }
    return y;
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    ReferenceTensors d{std::vector<Doubles>(t.x.size()), {}};
    auto next = dy.begin();
    for (int64_t pixel = 0; pixel < in_.pixels(); ++pixel) {
      for (size_t i = 0; i < t.x.size(); ++i) {
        d.x[i].insert(d.x[i].end(), next, next + setup_.inputs[i].c);
        next += setup_.inputs[i].c;
      }
    }
    return d;
  }
};

/// flatten, and split with all users' gradients alike.
class ReferenceIdentity : public ReferenceOp {
 public:
  ReferenceIdentity(const ReferenceSetup& setup, Shape out) : ReferenceOp(setup), out_(out) {}
  Shape output() const override { return out_; }
  Doubles forward(const ReferenceTensors& t) const override { return t.x[0]; }
  ReferenceTensors backward(const ReferenceTensors&, const Doubles& dy) const override {
    return {{dy}, {}};
  }

 private:
  Shape out_;
};

}  // namespace

std::unique_ptr<ReferenceOp> make_reference(std::string_view op, const ReferenceSetup& setup) {
  if (op == "conv2d") return make_reference_conv2d(setup);
  if (op == "max_pool") return make_reference_max_pool(setup);
  if (op == "average_pool") return make_reference_average_pool(setup);
  if (op == "dense") return std::make_unique<ReferenceDense>(setup);
  if (op == "global_average_pool") return std::make_unique<ReferenceGlobalAveragePool>(setup);
  if (op == "batch_normalization") return make_reference_batch_normalization(setup);
  if (op == "activation") return std::make_unique<ReferenceActivation>(setup);
  if (op == "dropout") return make_reference_dropout(setup);
  if (op == "add") return std::make_unique<ReferenceAdd>(setup);
  if (op == "concat") return std::make_unique<ReferenceConcat>(setup);
  if (op == "softmax_cross_entropy") return make_reference_softmax_cross_entropy(setup);
  if (op == "pooled_mean") return make_reference_pooled_mean(setup);
  if (op == "dense_loss") return make_reference_dense_loss(setup);
  if (op == "stem") return make_reference_stem(setup);
  const Shape& in = setup.inputs[0];
  if (op == "split") return std::make_unique<ReferenceIdentity>(setup, in);
  if (op == "flatten") {
    return std::make_unique<ReferenceIdentity>(setup, Shape{in.n, 1, 1, in.per_sample()});
  }
  throw std::invalid_argument("no reference for op " + std::string(op));
}

}  // namespace engine::test
