#include "kernels/nn/elements_cuda.h"
#include "kernels/nn/flatten.h"

namespace engine {
namespace {

class FlattenCuda : public Kernel {
 public:
  explicit FlattenCuda(const KernelSetup& setup) : Kernel(setup), device_(as_cuda(setup.device)) {}

  void forward(const ForwardArgs& args) override { copy(args.x[0], args.y); }
  void backward(const BackwardArgs& args) override {
    if (args.dx[0]) copy(args.dy, args.dx[0]);
  }
  std::string implementation() const override { return "cuda"; }

 private:
  /// Both are packed: the same bytes under another shape.
  void copy(const TensorView& from, const TensorView& to) {
    if (from.data == to.data) return;
    device_.copy(to.data, from.data, static_cast<size_t>(to.shape.elements()) * size_of(to.dtype));
  }

  CudaDevice& device_;
};

}  // namespace

std::unique_ptr<Kernel> make_flatten_cuda(const KernelSetup& setup) {
  return make_kernel<FlattenCuda>(setup);
}

}  // namespace engine
