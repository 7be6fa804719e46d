#include <algorithm>

#include "engine/cuda/launch.h"
#include "kernels/fused/dense_loss.h"
#include "kernels/nn/channel_sums_cuda.h"
#include "kernels/nn/dropout_cuda.h"
#include "kernels/nn/softmax_row_cuda.h"

namespace engine {
namespace {

constexpr int kMostInputs = DenseLoss::kMostInputs, kMostClasses = DenseLoss::kMostClasses;
constexpr uint32_t kForwardRows = 8;  // of a block, a warp each
constexpr uint32_t kBackwardThreads = 128;
constexpr uint32_t kTileRows = 8;    // of a block at a time
constexpr uint32_t kTogether = 8;    // classes whose weights' gradients a thread sums at a time
constexpr uint32_t kMostSums = 128;  // rows of partial sums

struct Sizes {
  uint32_t rows, inputs, classes;
  uint32_t rows_of_block;  ///< in backward

  /// Of one row of partial sums: those of the weights, then those of the bias, then zeros up to 16
  /// bytes.
  ENGINE_HD uint32_t weights() const { return classes * inputs; }
  ENGINE_HD uint32_t bias_sums() const { return (classes + 3) / 4 * 4; }
  ENGINE_HD uint32_t sums() const { return weights() + bias_sums(); }
};
static_assert(kMostClasses <= kBackwardThreads && kMostClasses % 4 == 0);

/// A warp makes one row: reads x once and the weights from the caches; writes the logits, their
/// gradient (p - target) / n, and the row's loss and hit.
template <class T, int V>
__global__ void dense_loss_forward(Sizes sizes, Slice<T> x, const T* w, const T* bias,
                                   const int32_t* labels, DropoutDraw draw, double smoothing,
                                   SmoothedTarget targets, float* logits, float* gradient,
                                   RowLoss* losses) {
  __shared__ float features[kForwardRows][kMostInputs];
  __shared__ float scores[kForwardRows][kMostClasses];
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t row = blockIdx.x * kForwardRows + warp;
  if (row >= sizes.rows) return;
  for (uint32_t c = lane * V; c < sizes.inputs; c += 32 * V) {
    const Floats<V> values = load<V>(x.at(row, c));
    const Floats<V> factors = draw.factors<V>(row, c);
    for (int v = 0; v < V; ++v) features[warp][c + v] = values.at[v] * factors.at[v];
  }
  __syncwarp();
  for (uint32_t k = 0; k < sizes.classes; ++k) {
    float score = 0;
    for (uint32_t c = lane; c < sizes.inputs; c += 32) {
      score += features[warp][c] * to_float(w[k * sizes.inputs + c]);
    }
    score = warp_sum(score);
    if (lane == 0) scores[warp][k] = bias ? score + to_float(bias[k]) : score;
  }
  __syncwarp();
  const float* const mine = scores[warp];
  const SoftmaxRow softmax =
      softmax_row(lane, sizes.classes, [mine](uint32_t k) { return mine[k]; });
  const auto label = static_cast<uint32_t>(labels[row]);
  const float share = 1.0f / static_cast<float>(sizes.rows);
  for (uint32_t k = lane; k < sizes.classes; k += 32) {
    const size_t at = static_cast<size_t>(row) * sizes.classes + k;
    logits[at] = mine[k];
    const float target = k == label ? targets.at_label : targets.elsewhere;
    if (gradient) gradient[at] = (softmax.probability(mine[k]) - target) * share;
  }
  if (lane == 0) losses[row] = softmax.loss(mine[label], label, sizes.classes, smoothing);
}

/// dx of V inputs of a row.
template <class T, int V>
__device__ void bring_back(const Sizes& sizes, const float* slopes, const T* w,
                           const Floats<V>& factors, uint32_t c, T* dx) {
  Floats<V> sum{};
  for (uint32_t k = 0; k < sizes.classes; ++k) {
    const Floats<V> weights = load<V>(w + k * sizes.inputs + c);
    for (int v = 0; v < V; ++v) sum.at[v] += slopes[k] * weights.at[v];
  }
  for (int v = 0; v < V; ++v) sum.at[v] *= factors.at[v];
  store(dx, sum);
}

/// A thread takes V inputs of a block's rows: it makes their dx, and sums the gradients of their
/// weights, kTogether classes at a time. Reads x once for those (again only where a block has more
/// rows than fit into shared memory, and more classes), the weights from the caches; writes dx and
/// a row of partial sums.
template <class T, int V>
__global__ void dense_loss_backward(Sizes sizes, Slice<T> x, const T* w, const float* gradient,
                                    Slice<T> dx, DropoutDraw draw, float* partial) {
  __shared__ Floats<V> features[kTileRows][kBackwardThreads];
  __shared__ float slopes[kTileRows][kMostClasses];
  const uint32_t c = (blockIdx.x * kBackwardThreads + threadIdx.x) * V;
  const bool works = c < sizes.inputs;
  const uint32_t first = blockIdx.y * sizes.rows_of_block;
  const uint32_t last = min(first + sizes.rows_of_block, sizes.rows);
  partial += static_cast<size_t>(blockIdx.y) * sizes.sums();
  float bias_sum = 0;
  for (uint32_t k0 = 0; k0 < sizes.classes; k0 += kTogether) {
    Floats<V> sums[kTogether]{};
    for (uint32_t tile = first; tile < last; tile += kTileRows) {
      const uint32_t rows = min(kTileRows, last - tile);
      const bool loads = k0 == 0 || last - first > kTileRows;
      if (loads) {
        __syncthreads();  // who still reads the tile before
        for (uint32_t i = threadIdx.x; i < rows * sizes.classes; i += kBackwardThreads) {
          const uint32_t r = i / sizes.classes;
          slopes[r][i - r * sizes.classes] = gradient[size_t{tile} * sizes.classes + i];
        }
        __syncthreads();
      }
      for (uint32_t r = 0; r < rows && works; ++r) {
        if (loads) {
          const Floats<V> factors = draw.factors<V>(tile + r, c);
          Floats<V> values = load<V>(x.at(tile + r, c));
          for (int v = 0; v < V; ++v) values.at[v] *= factors.at[v];
          features[r][threadIdx.x] = values;
          if (k0 == 0 && dx.data) bring_back(sizes, slopes[r], w, factors, c, dx.at(tile + r, c));
        }
        const Floats<V> values = features[r][threadIdx.x];
        for (uint32_t j = 0; j < kTogether; ++j) {
          const float slope = k0 + j < sizes.classes ? slopes[r][k0 + j] : 0.0f;
          for (int v = 0; v < V; ++v) sums[j].at[v] += slope * values.at[v];
        }
      }
      for (uint32_t r = 0; r < rows && k0 == 0 && threadIdx.x < sizes.classes; ++r) {
        bias_sum += slopes[r][threadIdx.x];
      }
    }
    for (uint32_t j = 0; j < kTogether && works && k0 + j < sizes.classes; ++j) {
      store(partial + (k0 + j) * sizes.inputs + c, sums[j]);
    }
  }
  if (blockIdx.x == 0 && threadIdx.x < sizes.bias_sums()) {
    partial[sizes.weights() + threadIdx.x] = bias_sum;
  }
}

/// Adds the rows of partial sums, in double precision and a fixed order.
template <unsigned Lanes, class T>
__global__ void combine_dense_gradients(const float* partial, GradientBlocks blocks,
                                        uint32_t weights, uint32_t classes, T* dw, T* db) {
  const double sum = sum_of_blocks<Lanes>(partial, blocks);
  const uint32_t i = blockIdx.x * Lanes + threadIdx.x;
  if (threadIdx.x >= Lanes || i >= blocks.channels) return;
  if (i < weights) {
    assign(dw[i], static_cast<float>(sum));
  } else if (db && i < weights + classes) {
    assign(db[i - weights], static_cast<float>(sum));
  }
}

class DenseLossCuda : public Kernel {
 public:
  explicit DenseLossCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        op_(static_cast<const DenseLoss&>(setup.op)),
        key_{setup.seed, random_stream("dropout", op_.dropout)},
        training_(setup.training) {
    sizes_.rows = static_cast<uint32_t>(setup.output.n);
    sizes_.inputs = static_cast<uint32_t>(setup.inputs[0].c);
    sizes_.classes = static_cast<uint32_t>(setup.output.c);
    const uint32_t tiles = (sizes_.rows + kTileRows - 1) / kTileRows;
    sizes_.rows_of_block = (tiles + kMostSums - 1) / kMostSums * kTileRows;
  }

  bool takes_pitch() const override { return true; }
  size_t workspace_bytes() const override {
    const size_t sums = training_ ? size_t{row_blocks()} * sizes_.sums() * sizeof(float) : 0;
    return std::max(sums, sizes_.rows * sizeof(RowLoss));
  }
  size_t saved_bytes() const override {
    return training_ ? size_t{sizes_.rows} * sizes_.classes * sizeof(float) : 0;
  }

  void forward(const ForwardArgs& args) override {
    const TensorView& x = args.x[0];
    auto* losses = static_cast<RowLoss*>(args.workspace);
    with_items(args.x, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      const auto* w = static_cast<const T*>(args.operands[0]);
      const auto* bias = op_.dense.bias ? static_cast<const T*>(args.operands[1]) : nullptr;
      const double smoothing = op_.loss.label_smoothing;
      launch(device_, {"dense_loss_forward", bytes_of(x) + bytes_of(args.y)},
             (sizes_.rows + kForwardRows - 1) / kForwardRows, 32 * kForwardRows,
             dense_loss_forward<T, v>, sizes_, slice<T>(x), w, bias, args.batch.labels,
             dropout_draw(args.batch, key_, op_.rate), smoothing,
             SmoothedTarget(smoothing, sizes_.classes), args.y.f32(),
             static_cast<float*>(args.saved), losses);
    });
    add_losses(device_, losses, sizes_.rows, args.batch.state);
  }

  void backward(const BackwardArgs& args) override {
    // One item of four channels for both types: more would take too many registers.
    const TensorView& x = args.x[0];
    const TensorView w = packed_view(const_cast<void*>(args.operands[0]),
                                     {sizes_.classes, 1, 1, sizes_.inputs}, x.dtype);
    const TensorView tensors[] = {x, args.dx[0], w};
    with_type(x.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      if (channels_at_once(tensors) > 1) {
        run_backward<T, 4>(args);
      } else {
        run_backward<T, 1>(args);
      }
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  uint32_t row_blocks() const {
    return (sizes_.rows + sizes_.rows_of_block - 1) / sizes_.rows_of_block;
  }

  template <class T, int V>
  void run_backward(const BackwardArgs& args) const {
    const TensorView &x = args.x[0], &dx = args.dx[0];
    auto* partial = static_cast<float*>(args.workspace);
    const double sums = static_cast<double>(row_blocks()) * sizes_.sums() * sizeof(float);
    constexpr uint32_t kChannels = kBackwardThreads * V;
    launch(device_, {"dense_loss_backward", bytes_of(x) + bytes_of(dx) + sums},
           dim3((sizes_.inputs + kChannels - 1) / kChannels, row_blocks()), kBackwardThreads,
           dense_loss_backward<T, V>, sizes_, slice<T>(x), static_cast<const T*>(args.operands[0]),
           static_cast<const float*>(args.saved), slice<T>(dx),
           dropout_draw(args.batch, key_, op_.rate), partial);
    const GradientBlocks blocks{.pixels = sizes_.rows,
                                .channels = sizes_.sums(),
                                .size = sizes_.rows_of_block,
                                .count = row_blocks(),
                                .lanes = ChannelSums::kLanes};
    launch(device_, {"combine_dense_gradients", sums}, ChannelSums::combining_grid(blocks),
           kThreadsPerBlock, combine_dense_gradients<ChannelSums::kLanes, T>, partial, blocks,
           sizes_.weights(), sizes_.classes, static_cast<T*>(args.dparameters[0]),
           op_.dense.bias ? static_cast<T*>(args.dparameters[1]) : nullptr);
  }

  CudaDevice& device_;
  const DenseLoss& op_;
  RandomKey key_;
  bool training_;
  Sizes sizes_{};
};

}  // namespace

std::unique_ptr<Kernel> make_dense_loss_cuda(const KernelSetup& setup) {
  return make_kernel<DenseLossCuda>(setup);
}

}  // namespace engine
