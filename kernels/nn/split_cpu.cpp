#include "kernels/nn/elements_cpu.h"
#include "kernels/nn/split.h"

namespace engine {
namespace {

class SplitCpu : public Kernel {
 public:
  explicit SplitCpu(const KernelSetup& setup) : Kernel(setup) {}

  bool takes_pitch() const override { return true; }

  /// A view: the users read the input itself.
  void forward(const ForwardArgs& args) override { copy_elements(args.x[0], args.y); }

  /// One pass for up to four gradients, so that the sum goes through memory once.
  void backward(const BackwardArgs& args) override {
    const TensorView& dx = args.dx[0];
    if (!dx) return;
    const auto& x = args.x;
    switch (x.size()) {
      case 1:
        return copy_elements(x[0], dx);
      case 2:
        return sum2(x[0], x[1], dx);
      case 3:
        return sum3(x[0], x[1], x[2], dx);
      default:
        break;
    }
    sum4(x[0], x[1], x[2], x[3], dx);
    for (size_t i = 4; i < x.size(); ++i) sum2(dx, x[i], dx);
  }

 private:
  static void sum2(const TensorView& a, const TensorView& b, const TensorView& dx) {
    for_elements(
        [](int64_t count, const float* p, const float* q, float* to) {
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) to[i] = p[i] + q[i];
        },
        a, b, dx);
  }
  static void sum3(const TensorView& a, const TensorView& b, const TensorView& c,
                   const TensorView& dx) {
    for_elements(
        [](int64_t count, const float* p, const float* q, const float* r, float* to) {
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) to[i] = p[i] + q[i] + r[i];
        },
        a, b, c, dx);
  }
  static void sum4(const TensorView& a, const TensorView& b, const TensorView& c,
                   const TensorView& d, const TensorView& dx) {
    for_elements(
        [](int64_t count, const float* p, const float* q, const float* r, const float* s,
           float* to) {
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) to[i] = p[i] + q[i] + r[i] + s[i];
        },
        a, b, c, d, dx);
  }
};

}  // namespace

std::unique_ptr<Kernel> make_split_cpu(const KernelSetup& setup) {
  return make_kernel<SplitCpu>(setup);
}

}  // namespace engine
