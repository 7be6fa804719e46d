#include "kernels/nn/concat.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {
namespace {

/// One copy an input, 8 bytes an element; none for what the plan has put in its place already.
class ConcatCuda : public Kernel {
 public:
  explicit ConcatCuda(const KernelSetup& setup) : Kernel(setup), device_(as_cuda(setup.device)) {}

  bool takes_pitch() const override { return true; }

  void forward(const ForwardArgs& args) override {
    int64_t first = 0;
    for (const TensorView& x : args.x) {
      copy_elements(device_, "concat_forward", x, channels_of(args.y, first, x));
      first += x.shape.c;
    }
  }

  void backward(const BackwardArgs& args) override {
    int64_t first = 0;
    for (size_t i = 0; i < args.dx.size(); ++i) {
      const TensorView& dx = args.dx[i];
      if (dx) copy_elements(device_, "concat_backward", channels_of(args.dy, first, dx), dx);
      first += args.x[i].shape.c;
    }
  }

  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
};

}  // namespace

std::unique_ptr<Kernel> make_concat_cuda(const KernelSetup& setup) {
  return make_kernel<ConcatCuda>(setup);
}

}  // namespace engine
