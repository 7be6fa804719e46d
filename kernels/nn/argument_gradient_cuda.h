#pragma once

// From the gradient behind an activation to the one before it, y = f(z + bias): dz = dy * f', and
// the bias's gradient, which is dz summed over all pixels, in the same pass.

#include "kernels/nn/activation_math.h"
#include "kernels/nn/channel_sums_cuda.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {

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
  add_rows(sum, sums, blocks, channel, partial);
}

template <unsigned Lanes, class T>
__global__ void combine_bias_gradient(const float* partial, GradientBlocks blocks, T* db) {
  const double sum = sum_of_blocks<Lanes>(partial, blocks);
  const uint32_t channel = blockIdx.x * Lanes + threadIdx.x;
  if (threadIdx.x < Lanes && channel < blocks.channels) {
    assign(db[channel], static_cast<float>(sum));
  }
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
  ArgumentGradient(const Shape& output, Activation function) : function_(function), sums_(output) {}

  size_t workspace_bytes() const { return sums_.workspace_bytes(); }

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
    with_items(tensors, [&](auto type, auto width) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(width)::value;
      const GradientBlocks blocks = sums_.blocks(V);
      launch(device, {"argument_gradient_and_sum", bytes_of(values) + bytes_of(dy) + bytes_of(dz)},
             sums_.grid(blocks, V), kThreadsPerBlock, argument_gradient_kernel<F, T, V>,
             slice<T>(values), slice<T>(dy), slice<T>(dz), blocks, partial);
      launch(device, "combine_bias_gradient", sums_.combining_grid(blocks), kThreadsPerBlock,
             combine_bias_gradient<ChannelSums::kLanes, T>, partial, blocks, static_cast<T*>(db));
    });
  }

  Activation function_;
  ChannelSums sums_;
};

}  // namespace engine
