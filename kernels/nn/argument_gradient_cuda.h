#pragma once

// From the gradient behind an activation to the one before it, y = f(z + bias): dz = dy * f', and
// the bias's gradient, which is dz summed over all pixels, in the same pass.

#include <algorithm>
#include <bit>

#include "kernels/nn/activation_math.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {

/// Pixels and channels cut among blocks of threads by their numbers alone: the order of every sum
/// is the same on every device. A block is rows() of pixels by lanes of items of V channels.
struct GradientBlocks {
  uint32_t pixels, channels, size, count;  ///< blocks are of size pixels
  uint32_t lanes;                          ///< a power of two

  ENGINE_HD uint32_t rows() const { return kThreadsPerBlock / lanes; }
};

/// A thread brings V channels of every rows()-th pixel of its block back and sums them; then the
/// rows are added in pairs. Reads v and dy and writes dz once; v only where there is an activation,
/// dz only where it is wanted. v: what activation_slope() takes.
template <Activation F, class T, int V>
__global__ void argument_gradient_kernel(Slice<T> v, Slice<T> dy, Slice<T> dz,
                                         GradientBlocks blocks, float* partial) {
  __shared__ Floats<V> sums[kThreadsPerBlock];
  const uint32_t lane = threadIdx.x % blocks.lanes, row = threadIdx.x / blocks.lanes;
  const uint32_t channel = (blockIdx.x * blocks.lanes + lane) * V;
  const uint32_t first = blockIdx.y * blocks.size;
  const uint32_t last = min(first + blocks.size, blocks.pixels);
  Floats<V> sum{};
  for (uint32_t pixel = first + row; pixel < last && channel < blocks.channels;
       pixel += blocks.rows()) {
    Floats<V> gradient = load<V>(dy.at(pixel, channel));
    if constexpr (F != Activation::none) {
      const Floats<V> values = load<V>(v.at(pixel, channel));
      for (int i = 0; i < V; ++i) gradient.at[i] *= activation_slope<F>(values.at[i]);
    }
    if (dz.data) store(dz.at(pixel, channel), gradient);
    for (int i = 0; i < V; ++i) sum.at[i] += gradient.at[i];
  }
  sums[threadIdx.x] = sum;
  for (uint32_t half = blocks.rows() / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row >= half) continue;
    for (int i = 0; i < V; ++i) sum.at[i] += sums[threadIdx.x + half * blocks.lanes].at[i];
    sums[threadIdx.x] = sum;
  }
  if (row == 0 && channel < blocks.channels) {
    store(partial + static_cast<size_t>(blockIdx.y) * blocks.channels + channel, sum);
  }
}

/// A lane of each warp takes a channel, a block's warps take turns at the partial sums; then the
/// warps' sums are added in their order. Reads 4 bytes a partial sum.
template <unsigned Lanes, class T>
__global__ void combine_bias_gradient(const float* partial, GradientBlocks blocks, T* db) {
  constexpr unsigned kWarps = kThreadsPerBlock / Lanes;
  __shared__ double sums[kThreadsPerBlock];
  const uint32_t lane = threadIdx.x % Lanes, warp = threadIdx.x / Lanes;
  const uint32_t channel = blockIdx.x * Lanes + lane;
  double sum = 0;
  for (uint32_t block = warp; block < blocks.count && channel < blocks.channels; block += kWarps) {
    sum += partial[static_cast<size_t>(block) * blocks.channels + channel];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (warp > 0 || channel >= blocks.channels) return;
  for (unsigned i = 1; i < kWarps; ++i) sum += sums[i * Lanes + lane];
  assign(db[channel], static_cast<float>(sum));
}

/// x[0]: what activation_slope() takes; x[1]: the gradient.
template <Activation F>
struct ArgumentSlope {
  __device__ float operator()(const float (&x)[2]) const {
    return x[1] * activation_slope<F>(x[0]);
  }
};

/// The passes for one output's shape.
class ArgumentGradient {
 public:
  ArgumentGradient(const Shape& output, Activation function)
      : function_(function), channels_(static_cast<uint32_t>(output.c)) {
    // Few pixels a block where there are few, for the sake of more blocks; no more blocks than fill
    // a large GPU, for combine_bias_gradient has to read what they leave.
    constexpr uint32_t kFewestPixels = 32, kMostBlocks = 512;
    pixels_ = items_of({output.n, output.h, output.w, 1}, 1).count;
    size_ = std::max(kFewestPixels, (pixels_ + kMostBlocks - 1) / kMostBlocks);
    count_ = (pixels_ + size_ - 1) / size_;
  }

  size_t workspace_bytes() const { return size_t{count_} * channels_ * sizeof(float); }

  /// Tensors and db are of one type. v: y for relu and tanh, z for gelu and silu, unused for none.
  /// dz may be dy, or null where only db is wanted; db may be null, then workspace is not used.
  void run(const CudaDevice& device, const TensorView& v, const TensorView& dy,
           const TensorView& dz, void* db, void* workspace) const {
    with_activation(function_, [&](auto function) {
      constexpr Activation F = decltype(function)::value;
      if (db) {
        bring_back_and_sum<F>(device, v, dy, dz, db, static_cast<float*>(workspace));
      } else if constexpr (F == Activation::none) {
        if (dz) copy_elements(device, "copy_gradient", dy, dz);
      } else {
        map_elements(device, "argument_gradient", ArgumentSlope<F>{}, {v, dy}, dz);
      }
    });
  }

 private:
  template <Activation F>
  void bring_back_and_sum(const CudaDevice& device, const TensorView& v, const TensorView& dy,
                          const TensorView& dz, void* db, float* partial) const {
    const TensorView values = F == Activation::none ? packed_view(nullptr, v.shape, v.dtype) : v;
    const TensorView tensors[] = {values, dy, dz};
    constexpr uint32_t kWarp = 32;
    GradientBlocks blocks{pixels_, channels_, size_, count_, 1};
    with_items(tensors, [&](auto type, auto width) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(width)::value;
      const uint32_t items = channels_ / V;
      blocks.lanes = std::min(std::bit_ceil(items), kWarp);
      launch(device, {"argument_gradient_and_sum", bytes_of(values) + bytes_of(dy) + bytes_of(dz)},
             dim3((items + blocks.lanes - 1) / blocks.lanes, count_), kThreadsPerBlock,
             argument_gradient_kernel<F, T, V>, slice<T>(values), slice<T>(dy), slice<T>(dz),
             blocks, partial);
      launch(device, "combine_bias_gradient", (channels_ + kWarp - 1) / kWarp, kThreadsPerBlock,
             combine_bias_gradient<kWarp, T>, partial, blocks, static_cast<T*>(db));
    });
  }

  Activation function_;
  uint32_t pixels_ = 0, channels_;
  uint32_t size_ = 0, count_ = 0;  ///< of blocks of pixels
};

}  // namespace engine
