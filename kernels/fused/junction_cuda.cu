#include "kernels/fused/junction.h"

#include <algorithm>
#include <optional>

#include "kernels/fused/pooled_gradient_cuda.h"
#include "kernels/fused/pooled_mean.h"
#include "kernels/nn/argument_gradient_cuda.h"

namespace engine {
namespace {

constexpr int kMostInputs = Junction::kMostInputs;
constexpr int kMostUsers = Junction::kMostUsers;
constexpr int kMostPools = Junction::kMostPools;

template <class T>
struct Users {
  int32_t plain = 0, pooled = 0;
  Slice<T> gradients[kMostUsers];
  PooledUser<T> pools[kMostPools];
};

/// The inputs: channels [begin[i], begin[i + 1]) of the output.
template <class T>
struct JoinedInputs {
  int32_t count = 0;
  uint32_t begin[kMostInputs + 1] = {};
  Slice<T> dx[kMostInputs];
  T* db[kMostInputs] = {};  ///< null: no bias, or not this node's work
  uint32_t relu = 0;

  __device__ int of(uint32_t channel) const {
    int i = 0;
    while (i + 1 < count && channel >= begin[i + 1]) ++i;
    return i;
  }
};

/// A thread brings V channels of every rows()-th pixel of its block back to the inputs and sums
/// them for their biases. Reads each user's gradient once (a pool's from the caches after the first
/// time), y where an input has a ReLU, and writes dx once. partial: a row of sums of each block of
/// pixels; null: no input has a bias.
template <class T, int V>
__global__ void junction_backward(Slice<T> y, Users<T> users, JoinedInputs<T> inputs,
                                  GradientBlocks blocks, float* partial) {
  __shared__ Floats<V> sums[kThreadsPerBlock];
  const uint32_t lane = threadIdx.x % blocks.lanes, row = threadIdx.x / blocks.lanes;
  const uint32_t channel = (blockIdx.x * blocks.lanes + lane) * V;
  const uint32_t first = blockIdx.y * blocks.size;
  const uint32_t last = min(first + blocks.size, blocks.pixels);
  const int input = inputs.of(channel);
  const bool relu = (inputs.relu >> input & 1u) != 0;
  Floats<V> sum{};
  for (uint32_t pixel = first + row; pixel < last && channel < blocks.channels;
       pixel += blocks.rows()) {
    Floats<V> gradient{};
    for (int u = 0; u < users.plain; ++u) {
      const Floats<V> more = load<V>(users.gradients[u].at(pixel, channel));
      for (int v = 0; v < V; ++v) gradient.at[v] += more.at[v];
    }
    for (int u = 0; u < users.pooled; ++u) {
      add_pooled(users.pools[u], pixel, channel, blocks.channels, gradient);
    }
    if (relu) {
      const Floats<V> values = load<V>(y.at(pixel, channel));
      for (int v = 0; v < V; ++v) {
        gradient.at[v] *= activation_slope<Activation::relu>(values.at[v]);
      }
    }
    store(inputs.dx[input].at(pixel, channel - inputs.begin[input]), gradient);
    for (int v = 0; v < V; ++v) sum.at[v] += gradient.at[v];
  }
  if (partial) add_rows(sum, sums, blocks, channel, partial);
}

/// As combine_bias_gradient, for the biases of all inputs.
template <unsigned Lanes, class T>
__global__ void combine_junction_biases(const float* partial, GradientBlocks blocks,
                                        JoinedInputs<T> inputs) {
  const double sum = sum_of_blocks<Lanes>(partial, blocks);
  const uint32_t channel = blockIdx.x * Lanes + threadIdx.x;
  if (threadIdx.x >= Lanes || channel >= blocks.channels) return;
  const int input = inputs.of(channel);
  if (T* db = inputs.db[input]) assign(db[channel - inputs.begin[input]], static_cast<float>(sum));
}

/// A user whose backward is done here: a max pool, or one with a mean behind it.
struct AbsorbedPool {
  const PooledMean* mean = nullptr;
  std::optional<PoolGeometryOf<int>> geometry{};  ///< none: the user does its own backward
};

class JunctionCuda : public Kernel {
 public:
  explicit JunctionCuda(const KernelSetup& setup)
      : Kernel(setup),
        device_(as_cuda(setup.device)),
        op_(static_cast<const Junction&>(setup.op)),
        sums_(setup.output) {
    for (const Op* op : setup.absorbed) {
      const auto* mean = dynamic_cast<const PooledMean*>(op);
      const auto* pool = mean ? &mean->pool : dynamic_cast<const MaxPool*>(op);
      pools_.push_back({.mean = mean});
      if (pool) pools_.back().geometry.emplace(setup.output, pool->window(setup.output));
    }
  }

  bool takes_pitch() const override { return true; }
  size_t workspace_bytes() const override { return sums_.workspace_bytes(); }

  /// One copy an input that does not lie in its place yet.
  void forward(const ForwardArgs& args) override {
    int64_t first = 0;
    for (const TensorView& x : args.x) {
      copy_elements(device_, "junction_forward", x, channels_of(args.y, first, x));
      first += x.shape.c;
    }
  }

  void backward(const BackwardArgs& args) override {
    std::vector<TensorView>& tensors = tensors_;
    tensors.assign(args.dx.begin(), args.dx.end());
    tensors.insert(tensors.end(), args.x.begin(), args.x.end());
    tensors.push_back(args.y);
    with_items(tensors, [&](auto type, auto width) {
      using T = typename decltype(type)::type;
      constexpr int V = decltype(width)::value;
      run<T, V>(args);
    });
  }

  std::string implementation() const override { return "cuda"; }

 private:
  template <class T, int V>
  void run(const BackwardArgs& args) const {
    const Users<T> users = users_of<T>(args);
    const JoinedInputs<T> inputs = inputs_of<T>(args);
    const bool has_bias =
        std::any_of(inputs.db, inputs.db + inputs.count, [](T* db) { return db; });
    auto* partial = has_bias ? static_cast<float*>(args.workspace) : nullptr;
    double bytes = bytes_of(args.y);
    for (const TensorView& dx : args.dx) bytes += bytes_of(dx);
    for (const TensorView& dy : args.x) bytes += bytes_of(dy);
    const GradientBlocks blocks = sums_.blocks(V);
    launch(device_, {"junction_backward", bytes}, sums_.grid(blocks, V), kThreadsPerBlock,
           junction_backward<T, V>, slice<T>(args.y), users, inputs, blocks, partial);
    if (!has_bias) return;
    launch(device_, "combine_junction_biases", sums_.combining_grid(blocks), kThreadsPerBlock,
           combine_junction_biases<ChannelSums::kLanes, T>, partial, blocks, inputs);
  }

  template <class T>
  Users<T> users_of(const BackwardArgs& args) const {
    Users<T> users;
    for (size_t u = 0; u < args.x.size(); ++u) {
      const AbsorbedPool& pool = pools_[u];
      if (!pool.geometry) {
        users.gradients[users.plain++] = slice<T>(args.x[u]);
        continue;
      }
      PooledUser<T>& user = users.pools[users.pooled++];
      user = {.dy = slice<T>(args.x[u]),
              .places = static_cast<const uint8_t*>(args.absorbed_saved[u]),
              .windows = PoolWindows(*pool.geometry)};
      if (!pool.mean) continue;
      user.is_mean = true;
      user.scale = mean_scale(*pool.geometry, args.batch, pool.mean->rate);
    }
    return users;
  }

  template <class T>
  JoinedInputs<T> inputs_of(const BackwardArgs& args) const {
    JoinedInputs<T> inputs;
    inputs.relu = static_cast<uint32_t>(op_.relu);
    for (size_t i = 0; i < args.dx.size(); ++i) {
      inputs.begin[i + 1] = inputs.begin[i] + static_cast<uint32_t>(args.dx[i].shape.c);
      inputs.dx[i] = slice<T>(args.dx[i]);
      inputs.db[i] = static_cast<T*>(args.dparameters[i]);
      ++inputs.count;
    }
    return inputs;
  }

  CudaDevice& device_;
  const Junction& op_;
  ChannelSums sums_;
  std::vector<AbsorbedPool> pools_;  ///< of each user
  std::vector<TensorView> tensors_;  ///< scratch of backward
};

}  // namespace

std::unique_ptr<Kernel> make_junction_cuda(const KernelSetup& setup) {
  return make_kernel<JunctionCuda>(setup);
}

}  // namespace engine
