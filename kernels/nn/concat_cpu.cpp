#include "kernels/nn/concat.h"
#include "kernels/nn/elements_cpu.h"

namespace engine {
namespace {

/// Channels [first, first + part.shape.c) of a wider tensor.
TensorView channels_of(const TensorView& whole, int64_t first, const TensorView& part) {
  return {whole.f32() + first, part.shape, whole.dtype, whole.pitch};
}

class ConcatCpu : public Kernel {
 public:
  explicit ConcatCpu(const KernelSetup& setup) : Kernel(setup) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    int64_t first = 0;
    for (const TensorView& x : args.x) {
      copy_elements(x, channels_of(args.y, first, x));
      first += x.shape.c;
    }
  }

  void backward(const BackwardArgs& args) override {
    int64_t first = 0;
    for (size_t i = 0; i < args.dx.size(); ++i) {
      if (args.dx[i]) copy_elements(channels_of(args.dy, first, args.dx[i]), args.dx[i]);
      first += args.x[i].shape.c;
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> make_concat_cpu(const KernelSetup& setup) {
  return make_kernel<ConcatCpu>(setup);
}

}  // namespace engine
