#include "kernels/nn/elements_cuda.h"
#include "kernels/nn/split.h"

namespace engine {
namespace {

/// Forward is a view. Backward reads each gradient and writes the sum once, up to four in one
/// launch.
class SplitCuda : public Kernel {
 public:
  explicit SplitCuda(const KernelSetup& setup) : Kernel(setup), device_(as_cuda(setup.device)) {}

  bool takes_pitch() const override { return true; }
  void forward(const ForwardArgs& args) override {
    copy_elements(device_, "split_forward", args.x[0], args.y);
  }
  void backward(const BackwardArgs& args) override {
    if (args.dx[0]) sum_elements(device_, "split_backward", args.x, args.dx[0]);
  }
  std::string implementation() const override { return "cuda"; }

 private:
  CudaDevice& device_;
};

}  // namespace

std::unique_ptr<Kernel> make_split_cuda(const KernelSetup& setup) {
  return make_kernel<SplitCuda>(setup);
}

}  // namespace engine
