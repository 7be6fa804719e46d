#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/reference.h"

namespace engine::test {
namespace {

/// An attribute that is one number for both axes or [height, width].
void read_pair(const Value& attributes, std::string_view key, int64_t fallback, int64_t* pair) {
  pair[0] = pair[1] = fallback;
  const Value* value = attributes.find(key);
  if (!value) return;
  for (size_t axis = 0; axis < 2; ++axis) {
    pair[axis] = value->is(Value::Kind::array) ? value->array()[axis].integer() : value->integer();
  }
}

/// A window on an image; axis 0 is height.
struct Sliding {
  int64_t in[2], kernel[2], stride[2], dilation[2], before[2], out[2];

  Sliding(const Shape& shape, const Value& attributes) : in{shape.h, shape.w} {
    read_pair(attributes, "kernel", 1, kernel);
    read_pair(attributes, "stride", 1, stride);
    read_pair(attributes, "dilation", 1, dilation);
    const Value* padding = attributes.find("padding");
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t reach = (kernel[axis] - 1) * dilation[axis] + 1;
      int64_t total = 0;
      before[axis] = 0;
      if (!padding || (padding->is(Value::Kind::string) && padding->string() == "same")) {
        const int64_t wanted = (in[axis] + stride[axis] - 1) / stride[axis];
        total = std::max<int64_t>((wanted - 1) * stride[axis] + reach - in[axis], 0);
        before[axis] = total / 2;
      } else if (padding->is(Value::Kind::integer)) {
        before[axis] = padding->integer();
        total = 2 * before[axis];
      } else if (padding->is(Value::Kind::array)) {
        const bool four = padding->array().size() == 4;
        const size_t first = static_cast<size_t>(four ? 2 * axis : axis);
        before[axis] = padding->array()[first].integer();
        total = before[axis] + padding->array()[four ? first + 1 : first].integer();
      }
      out[axis] = (in[axis] + total - reach) / stride[axis] + 1;
    }
  }

  /// Calls body(input row, input column, ky, kx) for the places of a window that lie on the image.
  template <class Body>
  void for_places(int64_t oy, int64_t ox, const Body& body) const {
    for (int64_t ky = 0; ky < kernel[0]; ++ky) {
      for (int64_t kx = 0; kx < kernel[1]; ++kx) {
        const int64_t iy = oy * stride[0] - before[0] + ky * dilation[0];
        const int64_t ix = ox * stride[1] - before[1] + kx * dilation[1];
        if (iy >= 0 && iy < in[0] && ix >= 0 && ix < in[1]) body(iy, ix, ky, kx);
      }
    }
  }
};

class WindowOp : public ReferenceOp {
 public:
  explicit WindowOp(const ReferenceSetup& setup)
      : ReferenceOp(setup), window_(setup.inputs[0], setup.attributes) {}

 protected:
  size_t x_at(int64_t n, int64_t y, int64_t x, int64_t c) const {
    return static_cast<size_t>(((n * in_.h + y) * in_.w + x) * in_.c + c);
  }
  /// Calls body(n, oy, ox, c, index) for each element of the output.
  template <class Body>
  void for_outputs(const Body& body) const {
    const Shape out = output();
    size_t index = 0;
    for (int64_t n = 0; n < out.n; ++n)
      for (int64_t y = 0; y < out.h; ++y)
        for (int64_t x = 0; x < out.w; ++x)
          for (int64_t c = 0; c < out.c; ++c) body(n, y, x, c, index++);
  }

  Sliding window_;
};

class ReferenceConv2d : public WindowOp {
 public:
  explicit ReferenceConv2d(const ReferenceSetup& setup)
      : WindowOp(setup),
        filters_(setup.attributes.find("filters")->integer()),
        groups_(static_cast<int64_t>(number_or(setup.attributes, "groups", 1))),
        bias_(boolean_or(setup.attributes, "bias", true)),
        activation_(string_or(setup.attributes, "activation", "none")) {}

  Shape output() const override { return {in_.n, window_.out[0], window_.out[1], filters_}; }
  std::vector<std::vector<int64_t>> parameter_dims() const override {
    std::vector<std::vector<int64_t>> dims{
        {filters_, in_.c / groups_, window_.kernel[0], window_.kernel[1]}};
    if (bias_) dims.push_back({filters_});
    return dims;
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
    ReferenceTensors d{{Doubles(t.x[0].size())}, {}};
    for (const Doubles& parameter : t.parameters) d.parameters.emplace_back(parameter.size());
    for_outputs([&](int64_t n, int64_t oy, int64_t ox, int64_t f, size_t i) {
      const double dz = dy[i] * reference_activation_slope(activation_, z[i]);
      if (bias_) d.parameters[1][static_cast<size_t>(f)] += dz;
      for_taps(n, oy, ox, f, [&](size_t at, size_t weight) {
        d.x[0][at] += dz * t.parameters[0][weight];
        d.parameters[0][weight] += dz * t.x[0][at];
      });
    });
    return d;
  }

 private:
  Doubles argument(const ReferenceTensors& t) const {
    Doubles z(static_cast<size_t>(output().elements()));
    for_outputs([&](int64_t n, int64_t oy, int64_t ox, int64_t f, size_t i) {
      double sum = bias_ ? t.parameters[1][static_cast<size_t>(f)] : 0;
      for_taps(n, oy, ox, f,
               [&](size_t at, size_t weight) { sum += t.x[0][at] * t.parameters[0][weight]; });
      z[i] = sum;
    });
    return z;
  }

  /// Calls body(index into x, index into the OIHW weight) for all that makes one output.
  template <class Body>
  void for_taps(int64_t n, int64_t oy, int64_t ox, int64_t f, const Body& body) const {
    const int64_t ins = in_.c / groups_, first = f / (filters_ / groups_) * ins;
    window_.for_places(oy, ox, [&](int64_t iy, int64_t ix, int64_t ky, int64_t kx) {
      for (int64_t i = 0; i < ins; ++i) {
        const int64_t tap = ky * window_.kernel[1] + kx;
        const int64_t weight = (f * ins + i) * window_.kernel[0] * window_.kernel[1] + tap;
        body(x_at(n, iy, ix, first + i), static_cast<size_t>(weight));
      }
    });
  }

  int64_t filters_, groups_;
  bool bias_;
  std::string activation_;
};

class ReferenceMaxPool : public WindowOp {
 public:
  using WindowOp::WindowOp;
  Shape output() const override { return {in_.n, window_.out[0], window_.out[1], in_.c}; }

  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y(static_cast<size_t>(output().elements()));
    for_outputs([&](int64_t n, int64_t oy, int64_t ox, int64_t c, size_t i) {
      y[i] = t.x[0][winner(t.x[0], n, oy, ox, c)];
    });
    return y;
  }

  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    ReferenceTensors d{{Doubles(t.x[0].size())}, {}};
    for_outputs([&](int64_t n, int64_t oy, int64_t ox, int64_t c, size_t i) {
      d.x[0][winner(t.x[0], n, oy, ox, c)] += dy[i];
    });
    return d;
  }

 private:
  /// The first of the largest.
  size_t winner(const Doubles& x, int64_t n, int64_t oy, int64_t ox, int64_t c) const {
    size_t best = 0;
    double value = -std::numeric_limits<double>::infinity();
    window_.for_places(oy, ox, [&](int64_t iy, int64_t ix, int64_t, int64_t) {
      const size_t at = x_at(n, iy, ix, c);
      if (x[at] > value) {
        value = x[at];
        best = at;
      }
    });
    return best;
  }
};

class ReferenceAveragePool : public WindowOp {
 public:
  using WindowOp::WindowOp;
  Shape output() const override { return {in_.n, window_.out[0], window_.out[1], in_.c}; }

  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y(static_cast<size_t>(output().elements()));
    for_outputs([&](int64_t n, int64_t oy, int64_t ox, int64_t c, size_t i) {
      double sum = 0;
      window_.for_places(oy, ox, [&](int64_t iy, int64_t ix, int64_t, int64_t) {
        sum += t.x[0][x_at(n, iy, ix, c)];
      });
      y[i] = sum / divisor(oy, ox);
    });
    return y;
  }

  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    ReferenceTensors d{{Doubles(t.x[0].size())}, {}};
    for_outputs([&](int64_t n, int64_t oy, int64_t ox, int64_t c, size_t i) {
      window_.for_places(oy, ox, [&](int64_t iy, int64_t ix, int64_t, int64_t) {
        d.x[0][x_at(n, iy, ix, c)] += dy[i] / divisor(oy, ox);
      });
    });
    return d;
  }

 private:
  double divisor(int64_t oy, int64_t ox) const {
    if (boolean_or(setup_.attributes, "count_include_padding", false)) {
      return static_cast<double>(window_.kernel[0] * window_.kernel[1]);
    }
    double count = 0;
    window_.for_places(oy, ox, [&](int64_t, int64_t, int64_t, int64_t) { ++count; });
    return count;
  }
};

}  // namespace

std::unique_ptr<ReferenceOp> make_reference_conv2d(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceConv2d>(setup);
}
std::unique_ptr<ReferenceOp> make_reference_max_pool(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceMaxPool>(setup);
}
std::unique_ptr<ReferenceOp> make_reference_average_pool(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceAveragePool>(setup);
}

}  // namespace engine::test
