#include "kernels/nn/add.h"
#include "kernels/nn/elements_cuda.h"

namespace engine {
namespace {

/// Forward reads each input and writes y once, up to four inputs in one launch.
class AddCuda : public Kernel {
 public:
  explicit AddCuda(const KernelSetup& setup) : Kernel(setup), device_(as_cuda(setup.device)) {}

  bool takes_pitch() const override { return true; }
  void forward(const ForwardArgs& args) override {
    sum_elements(device_, "add_forward", args.x, args.y);
  }
  void backward(const BackwardArgs& args) override {
    for (const TensorView& dx : args.dx) {
      if (dx) copy_elements(device_, "add_backward", args.dy, dx);
    }
  }
  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
};

}  // namespace

std::unique_ptr<Kernel> make_add_cuda(const KernelSetup& setup) {
  return make_kernel<AddCuda>(setup);
}

}  // namespace engine
