#include <algorithm>

#include "engine/cpu/parallel.h"
#include "kernels/nn/flatten.h"

namespace engine {
namespace {

class FlattenCpu : public Kernel {
 public:
  explicit FlattenCpu(const KernelSetup& setup) : Kernel(setup) {}

  void forward(const ForwardArgs& args) override { copy(args.x[0], args.y); }
  void backward(const BackwardArgs& args) override {
    if (args.dx[0]) copy(args.dy, args.dx[0]);
  }

 private:
  static void copy(const TensorView& from, const TensorView& to) {
    if (from.data == to.data) return;
    const int64_t elements = from.shape.per_sample();
    parallel_for(from.shape.n, [&](int64_t n) {
      std::copy_n(from.f32() + n * elements, elements, to.f32() + n * elements);
    });
  }
};

}  // namespace

std::unique_ptr<Kernel> make_flatten_cpu(const KernelSetup& setup) {
  return make_kernel<FlattenCpu>(setup);
}

}  // namespace engine
