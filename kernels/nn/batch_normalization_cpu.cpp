#include <algorithm>
#include <cmath>

#include "engine/cpu/parallel.h"
#include "kernels/nn/batch_normalization.h"

namespace engine {
namespace {

/// Sums over pixels go by blocks of a size that follows from the shape alone: each block is summed
/// in float where it lies in the cache, the blocks' results in double in their order. So the bits
/// do not depend on the number of threads. Training reads x twice and writes y once; backward reads
/// x and dy twice and writes dx once.
class BatchNormalizationCpu : public Kernel {
 public:
  explicit BatchNormalizationCpu(const KernelSetup& setup)
      : Kernel(setup),
        momentum_(static_cast<const BatchNormalization&>(setup.op).momentum),
        epsilon_(static_cast<const BatchNormalization&>(setup.op).epsilon),
        channels_(setup.output.c),
        pixels_(setup.output.pixels()),
        block_(std::clamp<int64_t>(8192 / channels_, 16, 256)),
        blocks_((pixels_ + block_ - 1) / block_) {}

  bool takes_pitch() const override { return true; }
  size_t workspace_bytes() const override { return floats(2 * blocks_ + 2); }
  /// Mean and 1 / standard deviation of each channel.
  size_t saved_bytes() const override { return floats(2); }

  void forward(const ForwardArgs& args) override {
    float* partial = static_cast<float*>(args.workspace);
    // In evaluation nothing is kept for backward: there may be no place for it.
    float* mean = args.saved ? static_cast<float*>(args.saved) : partial + 2 * blocks_ * channels_;
    float* inverse = mean + channels_;
    if (args.batch.training) {
      measure(args.x[0], partial, mean, inverse, args.parameters[2], args.parameters[3]);
    } else {
      for (int64_t c = 0; c < channels_; ++c) {
        mean[c] = args.parameters[2][c];
        inverse[c] = inverse_deviation(args.parameters[3][c]);
      }
    }
    normalize(args.x[0], args.y, mean, inverse, args.parameters[0], args.parameters[1]);
  }

  void backward(const BackwardArgs& args) override {
    const float* mean = static_cast<const float*>(args.saved);
    const float* inverse = mean + channels_;
    float* partial = static_cast<float*>(args.workspace);
    float* sum_dy = partial + 2 * blocks_ * channels_;  // over all pixels, of dy
    float* sum_dy_x = sum_dy + channels_;               // and of dy * normalized x
    reduce_gradients(args.x[0], args.dy, mean, inverse, partial, sum_dy, sum_dy_x);
    if (args.dparameters[0])
      std::copy_n(sum_dy_x, channels_, static_cast<float*>(args.dparameters[0]));
    if (args.dparameters[1])
      std::copy_n(sum_dy, channels_, static_cast<float*>(args.dparameters[1]));
    if (!args.dx[0]) return;
    // Running statistics do not depend on x: then only the first term is left.
    const float share =
        args.batch.training ? static_cast<float>(1.0 / static_cast<double>(pixels_)) : 0;
    propagate(args, mean, inverse, sum_dy, sum_dy_x, share);
  }

 private:
  size_t floats(int64_t per_channel) const {
    return static_cast<size_t>(per_channel * channels_) * sizeof(float);
  }
  float inverse_deviation(double variance) const {
    return static_cast<float>(1 / std::sqrt(variance + epsilon_));
  }
  int64_t size_of_block(int64_t block) const { return std::min(block_, pixels_ - block * block_); }

  /// Mean and sum of squared distances from it, of each block, then of all (Chan, Golub, LeVeque).
  void measure(const TensorView& x, float* partial, float* mean, float* inverse,
               float* running_mean, float* running_variance) const {
    parallel_for(blocks_,
                 [&](int64_t block) { measure_block(x, block, partial + 2 * block * channels_); });
    parallel_for(channels_, [&](int64_t c) {
      double total_mean = 0, squares = 0, count = 0;
      for (int64_t block = 0; block < blocks_; ++block) {
        const float* of_block = partial + 2 * block * channels_;
        const double size = static_cast<double>(size_of_block(block));
        const double distance = of_block[c] - total_mean;
        total_mean += distance * size / (count + size);
        squares += of_block[channels_ + c] + distance * distance * count * size / (count + size);
        count += size;
      }
      mean[c] = static_cast<float>(total_mean);
      inverse[c] = inverse_deviation(squares / count);
      const double unbiased = squares / std::max(1.0, count - 1);
      move(running_mean[c], total_mean);
      move(running_variance[c], unbiased);
    });
  }

  void move(float& running, double batch) const {
    running = static_cast<float>(running + momentum_ * (batch - running));
  }

  void measure_block(const TensorView& x, int64_t block, float* mean) const {
    float* squares = mean + channels_;
    const int64_t size = size_of_block(block);
    const float* first = x.f32() + block * block_ * x.pitch;
    std::fill_n(mean, 2 * channels_, 0.0f);
    for (int64_t p = 0; p < size; ++p) {
      const float* row = first + p * x.pitch;
#pragma omp simd
      for (int64_t c = 0; c < channels_; ++c) mean[c] += row[c];
    }
    const float share = 1.0f / static_cast<float>(size);
    for (int64_t c = 0; c < channels_; ++c) mean[c] *= share;
    for (int64_t p = 0; p < size; ++p) {
      const float* row = first + p * x.pitch;
#pragma omp simd
      for (int64_t c = 0; c < channels_; ++c) {
        const float distance = row[c] - mean[c];
        squares[c] += distance * distance;
      }
    }
  }

  void normalize(const TensorView& x, const TensorView& y, const float* mean, const float* inverse,
                 const float* weight, const float* bias) const {
    parallel_for(blocks_, [&](int64_t block) {
      for (int64_t p = block * block_; p < block * block_ + size_of_block(block); ++p) {
        const float* from = x.f32() + p * x.pitch;
        float* to = y.f32() + p * y.pitch;
#pragma omp simd
        for (int64_t c = 0; c < channels_; ++c) {
          to[c] = (from[c] - mean[c]) * (inverse[c] * weight[c]) + bias[c];
        }
      }
    });
  }

  void reduce_gradients(const TensorView& x, const TensorView& dy, const float* mean,
                        const float* inverse, float* partial, float* sum_dy,
                        float* sum_dy_x) const {
    parallel_for(blocks_, [&](int64_t block) {
      float* a = partial + 2 * block * channels_;
      float* b = a + channels_;
      std::fill_n(a, 2 * channels_, 0.0f);
      for (int64_t p = block * block_; p < block * block_ + size_of_block(block); ++p) {
        const float *value = x.f32() + p * x.pitch, *gradient = dy.f32() + p * dy.pitch;
#pragma omp simd
        for (int64_t c = 0; c < channels_; ++c) {
          a[c] += gradient[c];
          b[c] += gradient[c] * ((value[c] - mean[c]) * inverse[c]);
        }
      }
    });
    parallel_for(channels_, [&](int64_t c) {
      double a = 0, b = 0;
      for (int64_t block = 0; block < blocks_; ++block) {
        a += partial[2 * block * channels_ + c];
        b += partial[(2 * block + 1) * channels_ + c];
      }
      sum_dy[c] = static_cast<float>(a);
      sum_dy_x[c] = static_cast<float>(b);
    });
  }

  /// dx = weight * inverse * (dy - mean(dy) - normalized x * mean(dy * normalized x)).
  void propagate(const BackwardArgs& args, const float* mean, const float* inverse,
                 const float* sum_dy, const float* sum_dy_x, float share) const {
    const TensorView &x = args.x[0], &dy = args.dy, &dx = args.dx[0];
    const float* weight = args.parameters[0];
    parallel_for(blocks_, [&](int64_t block) {
      for (int64_t p = block * block_; p < block * block_ + size_of_block(block); ++p) {
        const float *value = x.f32() + p * x.pitch, *gradient = dy.f32() + p * dy.pitch;
        float* to = dx.f32() + p * dx.pitch;
#pragma omp simd
        for (int64_t c = 0; c < channels_; ++c) {
          const float normalized = (value[c] - mean[c]) * inverse[c];
          const float rest = (sum_dy[c] + normalized * sum_dy_x[c]) * share;
          to[c] = weight[c] * inverse[c] * (gradient[c] - rest);
        }
      }
    });
  }

  double momentum_, epsilon_;
  int64_t channels_, pixels_;
  int64_t block_, blocks_;  // pixels of a block, number of blocks
};

}  // namespace

std::unique_ptr<Kernel> make_batch_normalization_cpu(const KernelSetup& setup) {
  return make_kernel<BatchNormalizationCpu>(setup);
}

}  // namespace engine
