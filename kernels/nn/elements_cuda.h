#pragma once

// Element-wise kernels from a function of one element: reads each input once, writes the output
// once, 16 bytes at a time where channels and pitches allow.

#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tensor_items.h"

namespace engine {

/// The tensors that a kernel reads.
template <class T, int N>
struct Inputs {
  Slice<T> of[N];
};

/// function: a struct with __device__ float operator()(const float (&x)[N]) const.
template <class T, int V, int N, class Function>
__global__ void map_elements_kernel(Inputs<T, N> from, Slice<T> to, Items items,
                                    Function function) {
  for (uint32_t item = first_item(); item < items.count; item += item_stride()) {
    const auto place = items.place<V>(item);
    Floats<V> in[N], out;
    for (int k = 0; k < N; ++k) in[k] = load<V>(from.of[k].at(place.pixel, place.channel));
    for (int v = 0; v < V; ++v) {
      float x[N];
      for (int k = 0; k < N; ++k) x[k] = in[k].at[v];
      out.at[v] = function(x);
    }
    store(to.at(place.pixel, place.channel), out);
  }
}

/// to = function of the elements of from at the same place; to may be one of from. All are of one
/// type.
template <int N, class Function>
void map_elements(const CudaDevice& device, const char* name, const Function& function,
                  const TensorView (&from)[N], const TensorView& to) {
  TensorView all[N + 1];
  std::copy_n(from, N, all);
  all[N] = to;
  with_items(all, [&](auto type, auto v) {
    using T = typename decltype(type)::type;
    constexpr int V = decltype(v)::value;
    Inputs<T, N> inputs;
    for (int k = 0; k < N; ++k) inputs.of[k] = slice<T>(from[k]);
    const Items items = items_of(to.shape, V);
    launch_over(device, {name, (N + 1) * bytes_of(to)}, items.count,
                map_elements_kernel<T, V, N, Function>, inputs, slice<T>(to), items, function);
  });
}

/// Channels [first, first + part.shape.c) of a wider tensor.
inline TensorView channels_of(const TensorView& whole, int64_t first, const TensorView& part) {
  const size_t skipped = static_cast<size_t>(first) * size_of(whole.dtype);
  return {static_cast<std::byte*>(whole.data) + skipped, part.shape, whole.dtype, whole.pitch};
}

struct CopyElement {
  __device__ float operator()(const float (&x)[1]) const { return x[0]; }
};

/// Does nothing where from is to.
inline void copy_elements(const CudaDevice& device, const char* name, const TensorView& from,
                          const TensorView& to) {
  if (from.data != to.data) map_elements(device, name, CopyElement{}, {from}, to);
}

/// In the order of the inputs.
template <int N>
struct SumElements {
  __device__ float operator()(const float (&x)[N]) const {
    float sum = x[0];
    for (int k = 1; k < N; ++k) sum += x[k];
    return sum;
  }
};

/// to = the sum of one or more tensors, in their order; to may be the first of them.
inline void sum_elements(const CudaDevice& device, const char* name, std::span<const TensorView> x,
                         const TensorView& to) {
  switch (x.size()) {
    case 1:
      return copy_elements(device, name, x[0], to);
    case 2:
      return map_elements(device, name, SumElements<2>{}, {x[0], x[1]}, to);
    case 3:
      return map_elements(device, name, SumElements<3>{}, {x[0], x[1], x[2]}, to);
    default:
      break;
  }
  map_elements(device, name, SumElements<4>{}, {x[0], x[1], x[2], x[3]}, to);
  for (size_t i = 4; i < x.size(); ++i) {
    map_elements(device, name, SumElements<2>{}, {to, x[i]}, to);
  }
}

}  // namespace engine
