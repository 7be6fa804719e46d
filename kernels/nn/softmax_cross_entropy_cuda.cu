#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/softmax_cross_entropy.h"

namespace engine {
namespace {

constexpr int kRowsPerBlock = 8;  // a warp each
constexpr int kSumThreads = 256;

struct RowLoss {
  double loss;
  uint32_t correct;
};

/// A warp makes one row: reads the logits twice (the second time from the cache), writes the
/// probabilities, and the row's loss and hit. Sums are in double precision.
template <class T>
__global__ void softmax_rows(const T* x, float* y, const int32_t* labels, RowLoss* losses,
                             uint32_t rows, uint32_t classes, double smoothing) {
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t row = blockIdx.x * kRowsPerBlock + threadIdx.x / 32;
  if (row >= rows) return;
  x += static_cast<size_t>(row) * classes;
  y += static_cast<size_t>(row) * classes;
  // The first of the largest; NaN is never larger.
  float best = to_float(x[0]);
  uint32_t where = 0;
  for (uint32_t k = lane; k < classes; k += 32) {
    const float value = to_float(x[k]);
    if (value > best) {
      best = value;
      where = k;
    }
  }
  for (int other = 16; other > 0; other /= 2) {
    const float theirs = __shfl_xor_sync(0xffffffffu, best, other);
    const uint32_t their_place = __shfl_xor_sync(0xffffffffu, where, other);
    if (theirs > best || (theirs == best && their_place < where)) {
      best = theirs;
      where = their_place;
    }
  }
  const double top = best;
  double sum = 0, distance = 0;  // distance: sum over classes of top - x
  for (uint32_t k = lane; k < classes; k += 32) {
    const double z = to_float(x[k]) - top;
    sum += exp(z);
    distance -= z;
  }
  sum = warp_sum(sum);
  distance = warp_sum(distance);
  for (uint32_t k = lane; k < classes; k += 32)
    y[k] = static_cast<float>(exp(to_float(x[k]) - top) / sum);
  if (!labels || lane != 0) return;
  const auto label = static_cast<uint32_t>(labels[row]);
  const double log_sum = log(sum);
  double loss = (1 - smoothing) * (log_sum - (to_float(x[label]) - top));
  if (smoothing > 0) loss += smoothing * (log_sum + distance / classes);
  losses[row] = {loss, label == where ? 1u : 0u};
}

/// One block adds all rows, in a fixed order, to the step's sums.
__global__ void add_losses(const RowLoss* losses, uint32_t rows, StepState* state) {
  double loss = 0;
  uint32_t correct = 0;
  for (uint32_t row = threadIdx.x; row < rows; row += kSumThreads) {
    loss += losses[row].loss;
    correct += losses[row].correct;
  }
  loss = block_sum<kSumThreads>(loss);
  correct = block_sum<kSumThreads>(correct);
  if (threadIdx.x != 0) return;
  state->loss_before = state->loss_sum;
  state->correct_before = state->correct;
  state->seen_before = state->seen;
  state->loss_sum += loss;
  state->correct += correct;
  state->seen += rows;
  if (!isfinite(loss)) state->nonfinite = 1;
}

/// dx = (p - target) / n. Reads and writes each element once.
template <class T>
__global__ void softmax_backward(const float* y, T* dx, const int32_t* labels, uint32_t count,
                                 Divider classes, float at_label, float elsewhere, float share) {
  for (uint32_t i = first_item(); i < count; i += item_stride()) {
    const uint32_t row = classes.divide(i), k = classes.remainder(i, row);
    const float target = static_cast<uint32_t>(labels[row]) == k ? at_label : elsewhere;
    assign(dx[i], (y[i] - target) * share);
  }
}

class SoftmaxCrossEntropyCuda : public Kernel {
 public:
  explicit SoftmaxCrossEntropyCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        rows_(static_cast<uint32_t>(setup.output.n)),
        classes_(static_cast<uint32_t>(setup.output.c)),
        smoothing_(static_cast<const SoftmaxCrossEntropy&>(setup.op).label_smoothing) {}

  size_t workspace_bytes() const override { return rows_ * sizeof(RowLoss); }

  void forward(const ForwardArgs& args) override {
    auto* losses = static_cast<RowLoss*>(args.workspace);
    const int32_t* labels = args.batch.labels;
    const unsigned blocks = (rows_ + kRowsPerBlock - 1) / kRowsPerBlock;
    with_type(args.x[0].dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      launch(device_, {"softmax_rows", bytes_of(args.x[0]) + bytes_of(args.y)}, blocks,
             32 * kRowsPerBlock, softmax_rows<T>, static_cast<const T*>(args.x[0].data),
             args.y.f32(), labels, losses, rows_, classes_, smoothing_);
    });
    if (!labels) return;
    launch(device_, "add_losses", 1, kSumThreads, add_losses, losses, rows_, args.batch.state);
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    const double spread = smoothing_ / classes_;
    with_type(args.dx[0].dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      launch_over(device_, {"softmax_backward", bytes_of(args.y) + bytes_of(args.dx[0])},
                  int64_t{rows_} * classes_, softmax_backward<T>, args.y.f32(),
                  static_cast<T*>(args.dx[0].data), args.batch.labels, rows_ * classes_,
                  Divider(classes_), static_cast<float>(1 - smoothing_ + spread),
                  static_cast<float>(spread), static_cast<float>(1.0 / rows_));
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
  uint32_t rows_, classes_;
  double smoothing_;
};

}  // namespace

std::unique_ptr<Kernel> make_softmax_cross_entropy_cuda(const KernelSetup& setup) {
  return make_kernel<SoftmaxCrossEntropyCuda>(setup);
}

}  // namespace engine
