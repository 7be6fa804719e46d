#include <cmath>

#include "engine/cpu/parallel.h"
#include "kernels/nn/softmax_cross_entropy.h"

namespace engine {
namespace {

/// Rows are independent; their losses are summed in the order of rows, in double precision.
class SoftmaxCrossEntropyCpu : public Kernel {
 public:
  explicit SoftmaxCrossEntropyCpu(const KernelSetup& setup)
      : Kernel(setup),
        shape_(setup.output),
        smoothing_(static_cast<const SoftmaxCrossEntropy&>(setup.op).label_smoothing) {}

  size_t workspace_bytes() const override { return static_cast<size_t>(shape_.n) * sizeof(Row); }

  void forward(const ForwardArgs& args) override {
    Row* rows = static_cast<Row*>(args.workspace);
    const int32_t* labels = args.batch.labels;
    parallel_for(shape_.n, [&](int64_t n) {
      const float* x = args.x[0].f32() + n * shape_.c;
      float* y = args.y.f32() + n * shape_.c;
      rows[n] = softmax(x, y, labels ? labels[n] : -1);
    });
    if (!labels) return;
    double loss = 0;
    uint64_t correct = 0;
    for (int64_t n = 0; n < shape_.n; ++n) {
      loss += rows[n].loss;
      correct += rows[n].correct;
    }
    StepState& state = *args.batch.state;
    state.loss_before = state.loss_sum;
    state.correct_before = state.correct;
    state.seen_before = state.seen;
    state.loss_sum += loss;
    state.correct += correct;
    state.seen += static_cast<uint64_t>(shape_.n);
    if (!std::isfinite(loss)) state.nonfinite = 1;
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    const float share = static_cast<float>(1.0 / static_cast<double>(shape_.n));
    const double spread = smoothing_ / static_cast<double>(shape_.c);
    const float at_label = static_cast<float>(1 - smoothing_ + spread);
    const float elsewhere = static_cast<float>(spread);
    parallel_for(shape_.n, [&](int64_t n) {
      const float* p = args.y.f32() + n * shape_.c;
      float* dx = args.dx[0].f32() + n * shape_.c;
      for (int64_t k = 0; k < shape_.c; ++k) dx[k] = (p[k] - elsewhere) * share;
      const int32_t label = args.batch.labels[n];
      dx[label] = (p[label] - at_label) * share;
    });
  }

 private:
  struct Row {
    double loss;
    uint64_t correct;
  };

  Row softmax(const float* x, float* y, int32_t label) const {
    int64_t best = 0;
    for (int64_t k = 1; k < shape_.c; ++k) {
      if (x[k] > x[best]) best = k;
    }
    const double top = x[best];
    double sum = 0, distance = 0;  // distance: sum over classes of top - x
    for (int64_t k = 0; k < shape_.c; ++k) {
      const double z = x[k] - top, e = std::exp(z);
      sum += e;
      distance -= z;
      y[k] = static_cast<float>(e);
    }
    const float share = static_cast<float>(1 / sum);
    for (int64_t k = 0; k < shape_.c; ++k) y[k] *= share;
    if (label < 0) return {};
    const double log_sum = std::log(sum);
    double loss = (1 - smoothing_) * (log_sum - (x[label] - top));
    if (smoothing_ > 0) {
      loss += smoothing_ * (log_sum + distance / static_cast<double>(shape_.c));
    }
    return {loss, label == best ? 1u : 0u};
  }

  Shape shape_;
  double smoothing_;
};

}  // namespace

std::unique_ptr<Kernel> make_softmax_cross_entropy_cpu(const KernelSetup& setup) {
  return make_kernel<SoftmaxCrossEntropyCpu>(setup);
}

}  // namespace engine
