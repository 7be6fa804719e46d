#include "kernels/nn/add.h"
#include "kernels/nn/elements_cpu.h"

namespace engine {
namespace {

class AddCpu : public Kernel {
 public:
  explicit AddCpu(const KernelSetup& setup) : Kernel(setup) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    sum(args.x[0], args.x[1], args.y);
    for (size_t i = 2; i < args.x.size(); ++i) sum(args.y, args.x[i], args.y);
  }

  void backward(const BackwardArgs& args) override {
    for (const TensorView& dx : args.dx) {
      if (dx) copy_elements(args.dy, dx);
    }
  }

 private:
  static void sum(const TensorView& a, const TensorView& b, const TensorView& y) {
    for_elements(
        [](int64_t count, const float* p, const float* q, float* to) {
#pragma omp simd
          for (int64_t i = 0; i < count; ++i) to[i] = p[i] + q[i];
        },
        a, b, y);
  }
};

}  // namespace

std::unique_ptr<Kernel> make_add_cpu(const KernelSetup& setup) {
  return make_kernel<AddCpu>(setup);
}

}  // namespace engine
