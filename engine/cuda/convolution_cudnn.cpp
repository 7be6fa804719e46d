// Which library computes a pass, where cuDNN is there: cuDNN any, cuBLASLt those that are products
// of two matrices.

#include "engine/core/error.h"
#include "engine/cuda/matmul_plan.h"
#include "engine/cuda/pass_plan_cudnn.h"
#include "engine/cuda/plan_cache.h"

namespace engine {
namespace {

class CudnnEngines final : public PassEngines {
 public:
  CudnnEngines(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass)
      : device_(device), shape_(shape), pass_(pass) {}

  /// The heuristics' engines, and those that they give to half as many images: for some shapes they
  /// offer Hopper's own kernels only there, though these take the whole batch too.
  std::vector<std::string> names() override {
    const auto of = [&](const ConvolutionShape& shape, Heuristic heuristic) {
      return PassPlan(shape, pass_, device_).engines(heuristic);
    };
    ConvolutionShape half = shape_;
    half.input.n = half.output.n = (shape_.input.n + 1) / 2;
    std::vector<std::string> all =
        take_turns({of(shape_, Heuristic::a), of(shape_, Heuristic::b), of(half, Heuristic::a)});
    const std::vector<std::string> last = of(shape_, Heuristic::fallback);
    all.insert(all.end(), last.begin(), last.end());
    return all;
  }

  std::unique_ptr<PlannedPass> make(const std::string& engine) override {
    if (!engine.starts_with("eng")) return nullptr;
    auto plan = std::make_unique<PassPlan>(shape_, pass_, device_);
    if (!plan->plan_with(engine)) return nullptr;
    return plan;
  }

 private:
  CudaDevice& device_;
  const ConvolutionShape& shape_;
  ConvolutionPass pass_;
};

/// The heuristics' choice where nothing can be timed. Throws when there is none.
std::unique_ptr<PassPlan> planned_by_heuristics(CudaDevice& device, const ConvolutionShape& shape,
                                                ConvolutionPass pass) {
  auto plan = std::make_unique<PassPlan>(shape, pass, device);
  plan->plan();
  return plan;
}

/// cuBLASLt's engines; null where it does not work, which does not matter while cuDNN's do.
std::unique_ptr<PassEngines> matmul_engines(CudaDevice& device, const ConvolutionShape& shape,
                                            ConvolutionPass pass) {
  try {
    return std::make_unique<MatmulEngines>(device, shape, pass);
  } catch (const Error&) {
    if (device.products() == ProductLibrary::cublaslt) throw;
    return nullptr;
  }
}

}  // namespace

std::unique_ptr<PlannedPass> plan_pass(CudaDevice& device, const ConvolutionShape& shape,
                                       ConvolutionPass pass) {
  if (device.list()) {  // cuBLASLt plans only for a GPU that is there
    auto plan = planned_by_heuristics(device, shape, pass);
    note_plan(device, shape, pass, plan->engine(), plan->workspace_bytes());
    return plan;
  }
  std::vector<std::unique_ptr<PassEngines>> libraries;
  std::string versions;
  const auto add = [&](std::unique_ptr<PassEngines> engines, const std::string& version) {
    if (!engines) return;
    libraries.push_back(std::move(engines));
    versions += (versions.empty() ? "" : ", ") + version;
  };
  const bool only_matmul = shape.pointwise() && device.products() == ProductLibrary::cublaslt;
  if (!only_matmul) {
    add(std::make_unique<CudnnEngines>(device, shape, pass), convolution_library());
  }
  if (shape.pointwise() && device.products() != ProductLibrary::cudnn) {
    add(matmul_engines(device, shape, pass), matmul_library());
  }
  auto plan = fastest_pass(device, shape, pass, versions, std::move(libraries));
  if (plan) return plan;
  if (only_matmul) {
    fail(ExitCode::device, "{}: {} has no algorithm for it", name_of(shape, pass),
         matmul_library());
  }
  return planned_by_heuristics(device, shape, pass);  // says why there is none
}

}  // namespace engine
