#include <algorithm>

#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"
#include "kernels/nn/batch_normalization.h"

namespace engine {
namespace {

constexpr unsigned kThreads = 128;
constexpr int64_t kMostBlocks = 512;  // of pixels

/// Pixels cut into blocks by their number alone: the order of every sum is the same on every
/// device.
struct PixelBlocks {
  uint32_t pixels, size, count;

  __device__ uint32_t begin(uint32_t block) const { return block * size; }
  __device__ uint32_t size_of(uint32_t block) const {
    const uint32_t left = pixels - block * size;
    return left < size ? left : size;
  }
};

/// A thread measures one channel of one block of pixels: mean and sum of squared distances from it.
/// Reads x twice, the second time mostly from the caches.
template <class T>
__global__ void measure_blocks(Slice<T> x, uint32_t channels, PixelBlocks blocks, float* partial) {
  const uint32_t c = blockIdx.x * kThreads + threadIdx.x, block = blockIdx.y;
  if (c >= channels) return;
  const uint32_t first = blocks.begin(block), size = blocks.size_of(block);
  float mean = 0, squares = 0;
  for (uint32_t p = 0; p < size; ++p) mean += to_float(*x.at(first + p, c));
  mean /= static_cast<float>(size);
  for (uint32_t p = 0; p < size; ++p) {
    const float distance = to_float(*x.at(first + p, c)) - mean;
    squares += distance * distance;
  }
  partial[2 * block * channels + c] = mean;
  partial[(2 * block + 1) * channels + c] = squares;
}

struct Statistics {
  float *mean, *inverse;  ///< of the batch: mean, 1 / standard deviation
  float *running_mean, *running_variance;
  double momentum, epsilon;
};

/// A thread puts one channel's blocks together, in their order (Chan, Golub, LeVeque), and moves
/// the running statistics.
__global__ void combine_blocks(const float* partial, uint32_t channels, PixelBlocks blocks,
                               Statistics to) {
  const uint32_t c = blockIdx.x * kThreads + threadIdx.x;
  if (c >= channels) return;
  double mean = 0, squares = 0, count = 0;
  for (uint32_t block = 0; block < blocks.count; ++block) {
    const double size = blocks.size_of(block);
    const double distance = partial[2 * block * channels + c] - mean;
    mean += distance * size / (count + size);
    squares += partial[(2 * block + 1) * channels + c] +
               distance * distance * count * size / (count + size);
    count += size;
  }
  to.mean[c] = static_cast<float>(mean);
  to.inverse[c] = static_cast<float>(1 / sqrt(squares / count + to.epsilon));
  const double unbiased = squares / (count > 2 ? count - 1 : 1.0);
  float &running_mean = to.running_mean[c], &running_variance = to.running_variance[c];
  running_mean = static_cast<float>(running_mean + to.momentum * (mean - running_mean));
  running_variance =
      static_cast<float>(running_variance + to.momentum * (unbiased - running_variance));
}

/// Evaluation: the running statistics take the batch's place.
__global__ void use_running(uint32_t channels, Statistics to) {
  const uint32_t c = blockIdx.x * kThreads + threadIdx.x;
  if (c >= channels) return;
  to.mean[c] = to.running_mean[c];
  to.inverse[c] = static_cast<float>(1 / sqrt(to.running_variance[c] + to.epsilon));
}

/// Reads and writes each element once; what belongs to channels comes from the caches.
template <class T, int V>
__global__ void normalize_elements(Slice<T> x, Slice<T> y, Items items, const float* mean,
                                   const float* inverse, const float* weight, const float* bias) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    Floats<V> values = load<V>(x.at(place.pixel, place.channel));
    for (int v = 0; v < V; ++v) {
      const uint32_t c = place.channel + static_cast<uint32_t>(v);
      values.at[v] = (values.at[v] - mean[c]) * (inverse[c] * weight[c]) + bias[c];
    }
    store(y.at(place.pixel, place.channel), values);
  }
}

/// A thread sums dy and dy times normalized x over one channel of one block of pixels: reads each
/// element of both once.
template <class T>
__global__ void sum_gradient_blocks(Slice<T> x, Slice<T> dy, uint32_t channels, PixelBlocks blocks,
                                    const float* mean, const float* inverse, float* partial) {
  const uint32_t c = blockIdx.x * kThreads + threadIdx.x, block = blockIdx.y;
  if (c >= channels) return;
  const uint32_t first = blocks.begin(block), size = blocks.size_of(block);
  const float middle = mean[c], scale = inverse[c];
  float of_dy = 0, of_dy_x = 0;
  for (uint32_t p = 0; p < size; ++p) {
    const float gradient = to_float(*dy.at(first + p, c));
    of_dy += gradient;
    of_dy_x += gradient * ((to_float(*x.at(first + p, c)) - middle) * scale);
  }
  partial[2 * block * channels + c] = of_dy;
  partial[(2 * block + 1) * channels + c] = of_dy_x;
}

template <class T>
__global__ void sum_gradients(const float* partial, uint32_t channels, PixelBlocks blocks,
                              float* sum_dy, float* sum_dy_x, T* dweight, T* dbias) {
  const uint32_t c = blockIdx.x * kThreads + threadIdx.x;
  if (c >= channels) return;
  double of_dy = 0, of_dy_x = 0;
  for (uint32_t block = 0; block < blocks.count; ++block) {
    of_dy += partial[2 * block * channels + c];
    of_dy_x += partial[(2 * block + 1) * channels + c];
  }
  sum_dy[c] = static_cast<float>(of_dy);
  sum_dy_x[c] = static_cast<float>(of_dy_x);
  if (dweight) assign(dweight[c], static_cast<float>(of_dy_x));
  if (dbias) assign(dbias[c], static_cast<float>(of_dy));
}

/// dx = weight * inverse * (dy - mean(dy) - normalized x * mean(dy * normalized x)): reads
/// two elements and writes one.
template <class T, int V>
__global__ void propagate_gradient(Slice<T> x, Slice<T> dy, Slice<T> dx, Items items,
                                   const float* mean, const float* inverse, const float* weight,
                                   const float* sum_dy, const float* sum_dy_x, float share) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    const Floats<V> value = load<V>(x.at(place.pixel, place.channel));
    Floats<V> gradient = load<V>(dy.at(place.pixel, place.channel));
    for (int v = 0; v < V; ++v) {
      const uint32_t c = place.channel + static_cast<uint32_t>(v);
      const float normalized = (value.at[v] - mean[c]) * inverse[c];
      const float rest = (sum_dy[c] + normalized * sum_dy_x[c]) * share;
      gradient.at[v] = weight[c] * inverse[c] * (gradient.at[v] - rest);
    }
    store(dx.at(place.pixel, place.channel), gradient);
  }
}

class BatchNormalizationCuda : public Kernel {
 public:
  explicit BatchNormalizationCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        momentum_(static_cast<const BatchNormalization&>(setup.op).momentum),
        epsilon_(static_cast<const BatchNormalization&>(setup.op).epsilon),
        channels_(static_cast<uint32_t>(setup.output.c)),
        grid_((channels_ + kThreads - 1) / kThreads) {
    const int64_t pixels = setup.output.pixels();
    const int64_t size = std::max<int64_t>(64, (pixels + kMostBlocks - 1) / kMostBlocks);
    blocks_ = {static_cast<uint32_t>(pixels), static_cast<uint32_t>(size),
               static_cast<uint32_t>((pixels + size - 1) / size)};
  }

  bool takes_pitch() const override { return true; }
  size_t workspace_bytes() const override { return floats(2 * blocks_.count + 2); }
  /// Mean and 1 / standard deviation of each channel.
  size_t saved_bytes() const override { return floats(2); }

  void forward(const ForwardArgs& args) override {
    auto* partial = static_cast<float*>(args.workspace);
    // In evaluation nothing is kept for backward: there may be no place for it.
    float* mean = args.saved ? static_cast<float*>(args.saved)
                             : partial + size_t{2} * blocks_.count * channels_;
    const Statistics statistics{mean,      mean + channels_, args.parameters[2], args.parameters[3],
                                momentum_, epsilon_};
    if (args.batch.training) {
      with_type(args.y.dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        launch(device_, {"batch_normalization_measure", bytes_of(args.y)},
               dim3(grid_, blocks_.count), kThreads, measure_blocks<T>, slice<T>(args.x[0]),
               channels_, blocks_, partial);
      });
      launch(device_, "batch_normalization_combine", grid_, kThreads, combine_blocks, partial,
             channels_, blocks_, statistics);
    } else {
      launch(device_, "batch_normalization_running", grid_, kThreads, use_running, channels_,
             statistics);
    }
    const TensorView tensors[] = {args.x[0], args.y};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(args.y.shape, V);
      launch_over(device_, {"batch_normalization_forward", 2 * bytes_of(args.y)}, items.count,
                  normalize_elements<T, V>, slice<T>(args.x[0]), slice<T>(args.y), items, mean,
                  mean + channels_, args.parameters[0], args.parameters[1]);
    });
  }

  void backward(const BackwardArgs& args) override {
    const auto* mean = static_cast<const float*>(args.saved);
    const float* inverse = mean + channels_;
    auto* partial = static_cast<float*>(args.workspace);
    float* sum_dy = partial + size_t{2} * blocks_.count * channels_;
    float* sum_dy_x = sum_dy + channels_;
    with_type(args.dy.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      launch(device_, {"batch_normalization_sum_blocks", 2 * bytes_of(args.dy)},
             dim3(grid_, blocks_.count), kThreads, sum_gradient_blocks<T>, slice<T>(args.x[0]),
             slice<T>(args.dy), channels_, blocks_, mean, inverse, partial);
      launch(device_, "batch_normalization_sum", grid_, kThreads, sum_gradients<T>, partial,
             channels_, blocks_, sum_dy, sum_dy_x, static_cast<T*>(args.dparameters[0]),
             static_cast<T*>(args.dparameters[1]));
    });
    if (!args.dx[0]) return;
    // Running statistics do not depend on x: then only the first term is left.
    const float share =
        args.batch.training ? static_cast<float>(1.0 / static_cast<double>(blocks_.pixels)) : 0;
    const TensorView tensors[] = {args.x[0], args.dy, args.dx[0]};
    with_items(tensors, [&](auto type, auto v) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(v)::value;
      const Items items = items_of(args.dx[0].shape, V);
      launch_over(device_, {"batch_normalization_backward", 3 * bytes_of(args.dy)}, items.count,
                  propagate_gradient<T, V>, slice<T>(args.x[0]), slice<T>(args.dy),
                  slice<T>(args.dx[0]), items, mean, inverse, args.parameters[0], sum_dy, sum_dy_x,
                  share);
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  size_t floats(size_t per_channel) const { return per_channel * channels_ * sizeof(float); }

  CudaDevice& device_;
  double momentum_, epsilon_;
  uint32_t channels_;
  unsigned grid_;  ///< blocks of threads for all channels
  PixelBlocks blocks_;
};

}  // namespace

std::unique_ptr<Kernel> make_batch_normalization_cuda(const KernelSetup& setup) {
  return make_kernel<BatchNormalizationCuda>(setup);
}

}  // namespace engine
