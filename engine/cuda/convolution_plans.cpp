// Convolutions as one planned pass for each direction, whichever library it is of.

#include <algorithm>
#include <array>

#include "engine/core/error.h"
#include "engine/cuda/launch_timer.h"
#include "engine/cuda/planned_pass.h"

namespace engine {
namespace {

/// "eng44" of "eng44_k2=12_k18=1".
std::string short_name(const std::string& engine) {
  return engine.substr(0, engine.find('_'));
}

class PassPlans final : public ConvolutionPlans {
 public:
  PassPlans(CudaDevice& device, const ConvolutionShape& shape,
            const std::vector<ConvolutionPass>& passes)
      : device_(device), shape_(shape) {
    std::string_view library;
    for (const ConvolutionPass pass : passes) {
      const auto& plan = plan_of(pass) = plan_pass(device, shape, pass);
      workspace_bytes_ = std::max(workspace_bytes_, plan->workspace_bytes());
      description_ += description_.empty() ? "" : ", ";
      if (plan->library() != library) description_ += fmt::format("{} ", plan->library());
      description_ += short_name(plan->engine());
      library = plan->library();
    }
  }

  size_t workspace_bytes() const override { return workspace_bytes_; }
  std::string description() const override { return description_; }

  void forward(const void* x, const void* w, const void* bias, void* y, void* workspace) override {
    if (bias) {
      run(ConvolutionPass::forward, {x, w, bias, y}, workspace);
    } else {
      run(ConvolutionPass::forward, {x, w, y}, workspace);
    }
  }
  void backward_data(const void* dy, const void* w, void* dx, void* workspace) override {
    run(ConvolutionPass::backward_data, {dx, w, dy}, workspace);
  }
  void backward_filter(const void* x, const void* dy, void* dw, void* workspace) override {
    run(ConvolutionPass::backward_filter, {x, dw, dy}, workspace);
  }

 private:
  std::unique_ptr<PlannedPass>& plan_of(ConvolutionPass pass) {
    return plans_[static_cast<size_t>(pass)];
  }
  /// Libraries take all addresses as void*; they write only the pass's result.
  void run(ConvolutionPass pass, std::initializer_list<const void*> memory, void* workspace) {
    const auto noted = [&] {
      return LaunchList::Launch{.kernel = launch_name(pass), .bytes = moved_bytes(shape_, pass)};
    };
    const auto& plan = plan_of(pass);
    if (!plan) fail(ExitCode::internal, "{}: was not planned", name_of(shape_, pass));
    if (LaunchList* list = device_.list()) return list->add(noted());
    std::array<void*, 4> pointers{};
    size_t count = 0;
    for (const void* each : memory) pointers[count++] = const_cast<void*>(each);
    LaunchTimer* const timer = device_.timer();
    if (timer) timer->begin();
    plan->run(std::span(pointers).first(count), workspace);
    if (timer) timer->end(noted());
  }
  std::string launch_name(ConvolutionPass pass) {
    return fmt::format("convolution {} {}", to_string(pass), plan_of(pass)->label());
  }

  CudaDevice& device_;
  const ConvolutionShape shape_;
  std::array<std::unique_ptr<PlannedPass>, 3> plans_;
  size_t workspace_bytes_ = 0;
  std::string description_;
};

}  // namespace

std::unique_ptr<ConvolutionPlans> make_convolution_plans(
    CudaDevice& device, const ConvolutionShape& shape, const std::vector<ConvolutionPass>& passes) {
  return std::make_unique<PassPlans>(device, shape, passes);
}

}  // namespace engine
