#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/reference_window.h"

namespace engine::test {
namespace {

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
        ins_(in_.c / groups_),
        outs_(filters_ / groups_),
        bias_(boolean_or(setup.attributes, "bias", true)),
        activation_(string_or(setup.attributes, "activation", "none")) {}

  Shape output() const override { return {in_.n, window_.out[0], window_.out[1], filters_}; }
  std::vector<std::vector<int64_t>> parameter_dims() const override {
    std::vector<std::vector<int64_t>> dims{{filters_, ins_, window_.kernel[0], window_.kernel[1]}};
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
    Doubles dz = argument(t);
    for (size_t i = 0; i < dz.size(); ++i) {
      dz[i] = dy[i] * reference_activation_slope(activation_, dz[i]);
    }
    ReferenceTensors d{{Doubles(t.x[0].size())}, {}};
    for (const Doubles& parameter : t.parameters) d.parameters.emplace_back(parameter.size());
    for (size_t i = 0; bias_ && i < dz.size(); ++i) d.parameters[1][i % size(filters_)] += dz[i];
    Doubles w(size(outs_)), dw(size(outs_));
    for_taps([&](const Tap& tap) {
      for (int64_t f = 0; f < outs_; ++f) w[size(f)] = t.parameters[0][weight(tap, f)];
      std::fill(dw.begin(), dw.end(), 0.0);
      for_meetings(tap, [&](size_t at, size_t out) {
        const double x = t.x[0][at], *slopes = &dz[out];
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t f = 0; f < outs_; ++f) {
          sum += slopes[f] * w[size(f)];
          dw[size(f)] += slopes[f] * x;
        }
        d.x[0][at] += sum;
      });
      for (int64_t f = 0; f < outs_; ++f) d.parameters[0][weight(tap, f)] = dw[size(f)];
    });
    return d;
  }

 private:
  /// One input channel of one group under one place of the window.
  struct Tap {
    int64_t group, channel, ky, kx;
  };

  static size_t size(int64_t i) {
    return static_cast<size_t>(i);
  }

  Doubles argument(const ReferenceTensors& t) const {
    Doubles z(size(output().elements()));
    for (size_t i = 0; bias_ && i < z.size(); ++i) z[i] = t.parameters[1][i % size(filters_)];
    Doubles w(size(outs_));
    for_taps([&](const Tap& tap) {
      for (int64_t f = 0; f < outs_; ++f) w[size(f)] = t.parameters[0][weight(tap, f)];
      for_meetings(tap, [&](size_t at, size_t out) {
        const double x = t.x[0][at];
        double* sums = &z[out];
#pragma omp simd
        for (int64_t f = 0; f < outs_; ++f) sums[f] += x * w[size(f)];
      });
    });
    return z;
  }

  template <class Body>
  void for_taps(const Body& body) const {
    for (int64_t group = 0; group < groups_; ++group)
      for (int64_t channel = 0; channel < ins_; ++channel)
        for (int64_t ky = 0; ky < window_.kernel[0]; ++ky)
          for (int64_t kx = 0; kx < window_.kernel[1]; ++kx) body(Tap{group, channel, ky, kx});
  }

  /// Index of the tap's weight for filter f of its group: OIHW.
  size_t weight(const Tap& tap, int64_t f) const {
    const int64_t row = (tap.group * outs_ + f) * ins_ + tap.channel;
    return size((row * window_.kernel[0] + tap.ky) * window_.kernel[1] + tap.kx);
  }

  /// Calls body(index into x, index of the group's first filter in the output) for all pixels of
  /// the output whose window has the tap on the image.
  template <class Body>
  void for_meetings(const Tap& tap, const Body& body) const {
    const Shape out = output();
    for (int64_t n = 0; n < out.n; ++n) {
      for (int64_t oy = 0; oy < out.h; ++oy) {
        const int64_t iy = window_.input(0, oy, tap.ky);
        if (iy < 0 || iy >= in_.h) continue;
        for (int64_t ox = 0; ox < out.w; ++ox) {
          const int64_t ix = window_.input(1, ox, tap.kx);
          if (ix < 0 || ix >= in_.w) continue;
          const int64_t pixel = (n * out.h + oy) * out.w + ox;
          body(x_at(n, iy, ix, tap.group * ins_ + tap.channel),
               size(pixel * filters_ + tap.group * outs_));
        }
      }
    }
  }

  int64_t filters_, groups_, ins_, outs_;  ///< ins_, outs_: channels and filters of a group
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
