#include <algorithm>

#include "engine/cpu/parallel.h"
#include "engine/cpu/philox.h"
#include "kernels/nn/dropout.h"
#include "kernels/nn/elements_cpu.h"

namespace engine {
namespace {

constexpr int64_t kPiece = 1024;  // elements of a piece of work; their factors stay in the cache

/// Factors (0 or scale) of elements [begin, end) of a sample; begin is a multiple of 32. Writes up
/// to 31 more.
void draw_factors(RandomKey key, const StepState& state, int32_t sample, uint32_t threshold,
                  float scale, int64_t begin, int64_t end, float* factors) {
  for (int64_t i = begin; i < end; i += kWordsAtOnce, factors += kWordsAtOnce) {
    alignas(32) uint32_t words[kWordsAtOnce];
    draw_words(key, static_cast<uint32_t>(i / 4), state.epoch, static_cast<uint32_t>(sample),
               words);
#pragma omp simd
    for (int64_t k = 0; k < kWordsAtOnce; ++k) factors[k] = words[k] < threshold ? 0.0f : scale;
  }
}

/// Reads and writes each element once; the factors are drawn again in backward and never stored.
class DropoutCpu : public Kernel {
 public:
  explicit DropoutCpu(const KernelSetup& setup)
      : Kernel(setup),
        rate_(static_cast<const Dropout&>(setup.op).rate),
        key_{setup.seed, random_stream("dropout", setup.node)} {}

  bool takes_pitch() const override { return true; }
  void forward(const ForwardArgs& args) override { apply(args.batch, args.x[0], args.y); }
  void backward(const BackwardArgs& args) override {
    if (args.dx[0]) apply(args.batch, args.dy, args.dx[0]);
  }

 private:
  void apply(const Batch& batch, const TensorView& from, const TensorView& to) const {
    if (!batch.training || rate_ == 0) return copy_elements(from, to);
    const int64_t elements = from.shape.per_sample();
    const int64_t pieces = (elements + kPiece - 1) / kPiece;
    parallel_for(from.shape.n * pieces, [&](int64_t i) {
      const int64_t n = i / pieces, begin = i % pieces * kPiece;
      apply_piece(batch, from, to, n, begin, std::min(elements, begin + kPiece));
    });
  }

  void apply_piece(const Batch& batch, const TensorView& from, const TensorView& to, int64_t n,
                   int64_t begin, int64_t end) const {
    alignas(64) float factors[kPiece];
    draw_factors(key_, *batch.state, batch.samples[n], drop_threshold(rate_),
                 static_cast<float>(1 / (1 - rate_)), begin, end, factors);
    const Shape& shape = from.shape;
    const bool packed = from.packed() && to.packed();
    const int64_t row = packed ? shape.per_sample() : shape.c;  // elements without a gap
    const int64_t rows = packed ? n : n * shape.h * shape.w;
    for (int64_t i = begin; i < end;) {
      const int64_t r = rows + i / row, column = i % row;
      const int64_t count = std::min(end - i, row - column);
      const float* a = from.f32() + r * (packed ? row : from.pitch) + column;
      float* b = to.f32() + r * (packed ? row : to.pitch) + column;
      const float* f = factors + i - begin;
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) b[j] = a[j] * f[j];
      i += count;
    }
  }

  double rate_;
  RandomKey key_;
};

}  // namespace

std::unique_ptr<Kernel> make_dropout_cpu(const KernelSetup& setup) {
  return make_kernel<DropoutCpu>(setup);
}

}  // namespace engine
