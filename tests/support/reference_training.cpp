// The ops whose training differs from their evaluation, and the loss.

#include <cmath>

#include "engine/core/random.h"
#include "tests/support/reference.h"

namespace engine::test {
namespace {

class ReferenceDropout : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override { return in_; }
  Doubles forward(const ReferenceTensors& t) const override { return apply(t.x[0]); }
  ReferenceTensors backward(const ReferenceTensors&, const Doubles& dy) const override {
    return {{apply(dy)}, {}};
  }

 private:
  Doubles apply(Doubles values) const {
    const double rate = number_or(setup_.attributes, "rate", 0);
    if (!setup_.training) return values;
    const uint32_t stream = random_stream("dropout", setup_.node);
    const size_t per_sample = static_cast<size_t>(in_.per_sample());
    for (size_t i = 0; i < values.size(); ++i) {
      const uint32_t sample = static_cast<uint32_t>(setup_.samples[i / per_sample]);
      const uint32_t place = static_cast<uint32_t>(i % per_sample);
      const Philox4 words = philox4x32(place / 4, setup_.epoch, sample, 0, setup_.seed, stream);
      const double share = words.word[place % 4] / 4294967296.0;
      values[i] = share < rate ? 0 : values[i] / (1 - rate);
    }
    return values;
  }
};

class ReferenceBatchNormalization : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override { return in_; }
  std::vector<std::vector<int64_t>> parameter_dims() const override {
    return {{in_.c}, {in_.c}, {in_.c}, {in_.c}};
  }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles y(t.x[0].size());
    const size_t channels = static_cast<size_t>(in_.c);
    for (size_t c = 0; c < channels; ++c) {
      const auto [mean, variance] = statistics(t, c);
      for (size_t i = c; i < y.size(); i += channels) {
        const double normalized = (t.x[0][i] - mean) / std::sqrt(variance + epsilon());
        y[i] = normalized * t.parameters[0][c] + t.parameters[1][c];
      }
    }
    return y;
  }
  /// By the chain rule over mean and variance, one element at a time.
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    const size_t channels = static_cast<size_t>(in_.c);
    ReferenceTensors d{{Doubles(dy.size())}, {Doubles(channels), Doubles(channels), {}, {}}};
    for (size_t c = 0; c < channels; ++c) {
      const auto [mean, variance] = statistics(t, c);
      const double deviation = std::sqrt(variance + epsilon()), weight = t.parameters[0][c];
      double d_mean = 0, d_variance = 0, count = 0;
      for (size_t i = c; i < dy.size(); i += channels) {
        const double distance = t.x[0][i] - mean;
        d.parameters[0][c] += dy[i] * distance / deviation;
        d.parameters[1][c] += dy[i];
        d_mean -= dy[i] * weight / deviation;
        d_variance -= dy[i] * weight * distance / (2 * deviation * deviation * deviation);
        ++count;
      }
      for (size_t i = c; i < dy.size(); i += channels) {
        d.x[0][i] = dy[i] * weight / deviation;
        if (!setup_.training) continue;
        d.x[0][i] += d_mean / count + d_variance * 2 * (t.x[0][i] - mean) / count;
      }
    }
    return d;
  }
  std::vector<Doubles> parameters_after(const ReferenceTensors& t) const override {
    std::vector<Doubles> after = t.parameters;
    if (!setup_.training) return after;
    const double momentum = number_or(setup_.attributes, "momentum", 0.1);
    const double count = static_cast<double>(in_.pixels());
    for (size_t c = 0; c < static_cast<size_t>(in_.c); ++c) {
      const auto [mean, variance] = statistics(t, c);
      const double unbiased = count > 1 ? variance * count / (count - 1) : variance;
      after[2][c] = (1 - momentum) * after[2][c] + momentum * mean;
      after[3][c] = (1 - momentum) * after[3][c] + momentum * unbiased;
    }
    return after;
  }

 private:
  double epsilon() const { return number_or(setup_.attributes, "epsilon", 1e-5); }
  std::pair<double, double> statistics(const ReferenceTensors& t, size_t c) const {
    if (!setup_.training) return {t.parameters[2][c], t.parameters[3][c]};
    const size_t channels = static_cast<size_t>(in_.c);
    double mean = 0, variance = 0;
    for (size_t i = c; i < t.x[0].size(); i += channels) mean += t.x[0][i];
    mean /= static_cast<double>(in_.pixels());
    for (size_t i = c; i < t.x[0].size(); i += channels) {
      variance += (t.x[0][i] - mean) * (t.x[0][i] - mean);
    }
    return {mean, variance / static_cast<double>(in_.pixels())};
  }
};

class ReferenceSoftmaxCrossEntropy : public ReferenceOp {
 public:
  using ReferenceOp::ReferenceOp;
  Shape output() const override { return in_; }
  bool is_loss() const override { return true; }
  Doubles forward(const ReferenceTensors& t) const override {
    Doubles p(t.x[0].size());
    for (int64_t n = 0; n < in_.n; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < in_.c; ++k) sum += std::exp(t.x[0][at(n, k)]);
      for (int64_t k = 0; k < in_.c; ++k) p[at(n, k)] = std::exp(t.x[0][at(n, k)]) / sum;
    }
    return p;
  }
  double objective(const ReferenceTensors& t, const Doubles&) const override {
    const Doubles p = forward(t);
    double loss = 0;
    for (int64_t n = 0; n < in_.n; ++n) {
      for (int64_t k = 0; k < in_.c; ++k) loss -= target(n, k) * std::log(p[at(n, k)]);
    }
    return loss / static_cast<double>(in_.n);
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles&) const override {
    ReferenceTensors d{{forward(t)}, {}};
    for (int64_t n = 0; n < in_.n; ++n) {
      for (int64_t k = 0; k < in_.c; ++k) {
        d.x[0][at(n, k)] = (d.x[0][at(n, k)] - target(n, k)) / static_cast<double>(in_.n);
      }
    }
    return d;
  }

 private:
  size_t at(int64_t n, int64_t k) const { return static_cast<size_t>(n * in_.c + k); }
  double target(int64_t n, int64_t k) const {
    const double smoothing = number_or(setup_.attributes, "label_smoothing", 0);
    const double label = setup_.labels[static_cast<size_t>(n)] == k ? 1 - smoothing : 0;
    return label + smoothing / static_cast<double>(in_.c);
  }
};

}  // namespace

std::unique_ptr<ReferenceOp> make_reference_dropout(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceDropout>(setup);
}
std::unique_ptr<ReferenceOp> make_reference_batch_normalization(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceBatchNormalization>(setup);
}
std::unique_ptr<ReferenceOp> make_reference_softmax_cross_entropy(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceSoftmaxCrossEntropy>(setup);
}

}  // namespace engine::test
