#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/reference_window.h"

namespace engine::test {
namespace {

/// conv2d with bias and ReLU, and max_pool behind it, whose attributes begin with "pool_".
class ReferenceStem : public ReferenceOp {
 public:
  explicit ReferenceStem(const ReferenceSetup& setup)
      : ReferenceOp(setup),
        conv_(make_reference_conv2d(conv_setup(setup))),
        pool_attributes_(pool_attributes(setup.attributes)),
        pool_(make_reference_max_pool(
            {.attributes = pool_attributes_, .inputs = {conv_->output()}})) {}

  Shape output() const override { return pool_->output(); }
  std::vector<std::vector<int64_t>> parameter_dims() const override {
    return conv_->parameter_dims();
  }
  Doubles forward(const ReferenceTensors& t) const override {
    return pool_->forward({{conv_->forward(t)}, {}});
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    return conv_->backward(t, pool_->backward({{conv_->forward(t)}, {}}, dy).x[0]);
  }

  /// Nearness to a ReLU's jump, and to that from a window's winner to its second. The latter is as
  /// a share: where two values part by less than bfloat16 can tell (1/128), it is below 1e-3.
  Doubles relu_argument(const ReferenceTensors& t) const override {
    const Doubles z = conv_->relu_argument(t);
    const Shape in = conv_->output(), out = output();
    const Sliding window(in, pool_attributes_);
    Doubles margins;
    for (int64_t i = 0; i < out.elements(); ++i) {
      const int64_t pixel = i / out.c, row = pixel / out.w;
      double best = -std::numeric_limits<double>::infinity(), second = best;
      window.for_places(row % out.h, pixel % out.w, [&](int64_t y, int64_t x, int64_t, int64_t) {
        const int64_t at = ((row / out.h * in.h + y) * in.w + x) * in.c + i % out.c;
        const double value = z[static_cast<size_t>(at)];
        second = std::max(second, std::min(best, value));
        best = std::max(best, value);
      });
      const double share = best > 0 ? (best - second) / (8 * best) : std::abs(best);
      margins.push_back(std::min(std::abs(best), share));
    }
    return margins;
  }

 private:
  static ReferenceSetup conv_setup(ReferenceSetup setup) {
    setup.attributes.set("activation", "relu");
    return setup;
  }
  static Value pool_attributes(const Value& stem) {
    Value attributes = Object{};
    for (const char* key : {"kernel", "stride", "padding"}) {
      const Value* value = stem.find(std::string("pool_") + key);
      if (value) attributes.set(key, *value);
    }
    return attributes;
  }

  std::unique_ptr<ReferenceOp> conv_;
  Value pool_attributes_;
  std::unique_ptr<ReferenceOp> pool_;
};

}  // namespace

std::unique_ptr<ReferenceOp> make_reference_stem(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceStem>(setup);
}

}  // namespace engine::test
