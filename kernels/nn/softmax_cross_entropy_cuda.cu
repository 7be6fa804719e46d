#include "kernels/nn/softmax_cross_entropy.h"

#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/softmax_row_cuda.h"

namespace engine {
namespace {

constexpr int kRowsPerBlock = 8;  // a warp each
constexpr int kSumThreads = 256;

/// A warp makes one row: reads the logits twice (the second time from the cache), writes the
/// probabilities, and the row's loss and hit.
template <class T>
__global__ void softmax_rows(const T* x, float* y, const int32_t* labels, RowLoss* losses,
                             uint32_t rows, uint32_t classes, double smoothing) {
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t row = blockIdx.x * kRowsPerBlock + threadIdx.x / 32;
  if (row >= rows) return;
  x += static_cast<size_t>(row) * classes;
  y += static_cast<size_t>(row) * classes;
  const SoftmaxRow softmax = softmax_row(lane, classes, [x](uint32_t k) { return to_float(x[k]); });
  for (uint32_t k = lane; k < classes; k += 32) y[k] = softmax.probability(to_float(x[k]));
  if (!labels || lane != 0) return;
  const auto label = static_cast<uint32_t>(labels[row]);
  losses[row] = softmax.loss(to_float(x[label]), label, classes, smoothing);
}

__global__ void add_row_losses(const RowLoss* losses, uint32_t rows, StepState* state) {
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
                                 Divider classes, SmoothedTarget targets, float share) {
  for (uint32_t i = first_item(); i < count; i += item_stride()) {
    const uint32_t row = classes.divide(i), k = classes.remainder(i, row);
    const bool at_label = static_cast<uint32_t>(labels[row]) == k;
    const float target = at_label ? targets.at_label : targets.elsewhere;
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
    add_losses(device_, losses, rows_, args.batch.state);
  }

  void backward(const BackwardArgs& args) override {
    if (!args.dx[0]) return;
    with_type(args.dx[0].dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      launch_over(device_, {"softmax_backward", bytes_of(args.y) + bytes_of(args.dx[0])},
                  int64_t{rows_} * classes_, softmax_backward<T>, args.y.f32(),
                  static_cast<T*>(args.dx[0].data), args.batch.labels, rows_ * classes_,
                  Divider(classes_), SmoothedTarget(smoothing_, classes_),
                  static_cast<float>(1.0 / rows_));
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
  uint32_t rows_, classes_;
  double smoothing_;
};

}  // namespace

void add_losses(const CudaDevice& device, const RowLoss* losses, uint32_t rows, StepState* state) {
  launch(device, "add_losses", 1, kSumThreads, add_row_losses, losses, rows, state);
}

std::unique_ptr<Kernel> make_softmax_cross_entropy_cuda(const KernelSetup& setup) {
  return make_kernel<SoftmaxCrossEntropyCuda>(setup);
}

}  // namespace engine
