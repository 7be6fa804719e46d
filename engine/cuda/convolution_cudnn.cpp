// Convolutions by cuDNN: which engine each pass gets, and its calls.

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "engine/core/error.h"
#include "engine/cuda/check.h"
#include "engine/cuda/convolution.h"
#include "engine/cuda/launch_timer.h"
#include "engine/cuda/pass_plan_cudnn.h"
#include "engine/cuda/plan_cache.h"

namespace engine {
namespace {

constexpr size_t kMostWorkspace = size_t{256} << 20;

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "making an event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "timing a plan"); }
  /// Waits for this event.
  double milliseconds_since(const Event& start) const {
    float milliseconds = 0;
    check(cudaEventSynchronize(event_), "timing a plan");
    check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "timing a plan");
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

size_t bytes(int64_t elements, Precision precision) {
  return static_cast<size_t>(elements) * size_of(storage_type(precision));
}

/// Memory for all tensors of a convolution, full of one small number: zeros would take less power,
/// and so less time, than real ones.
class Scratch {
 public:
  Scratch(CudaDevice& device, const ConvolutionShape& shape) {
    const auto image = [](const Shape& s, int64_t pitch) {
      return s.pixels() * (pitch ? pitch : s.c);
    };
    const std::array elements{image(shape.input, shape.x_pitch), shape.weights(),
                              shape.bias ? shape.output.c : 0, image(shape.output, shape.y_pitch)};
    for (const int64_t count : elements) {
      const Buffer& buffer = buffers_.emplace_back(device, bytes(count, shape.precision));
      if (!buffer) continue;
      constexpr int kByte = 0x3c;  // 0.0115 in float32 and in bfloat16
      check(cudaMemsetAsync(buffer.data(), kByte, buffer.bytes(), device.stream()),
            "filling memory");
    }
  }
  /// Those of a pass in the order of PassPlan::run.
  std::vector<void*> memory(ConvolutionPass pass) const {
    std::vector<void*> pointers;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const bool is_bias = i == 2;
      if (is_bias && (!buffers_[i] || pass != ConvolutionPass::forward)) continue;
      pointers.push_back(buffers_[i].data());
    }
    return pointers;
  }

 private:
  std::vector<Buffer> buffers_;
};

/// One pass's plans on a device that is there.
class CudnnTimer : public EngineTimer {
 public:
  CudnnTimer(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass)
      : device_(device), shape_(shape), pass_(pass) {}

  /// The heuristics' engines, and those that they give to half as many images: for some shapes they
  /// offer Hopper's own kernels only there, though these take the whole batch too.
  std::vector<std::string> engines() override {
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

  bool make(const std::string& engine) override {
    if (plans_.contains(engine)) return true;
    PassPlan plan(shape_, pass_, device_);
    if (!plan.plan_with(engine)) return false;
    plans_.emplace(engine, std::move(plan));
    return true;
  }

  /// The least of a few runs: what disturbs a run makes it longer.
  std::optional<double> time(const std::string& engine) override {
    constexpr int kWarmUp = 2, kRuns = 5;
    const PassPlan& plan = plans_.at(engine);
    if (plan.workspace_bytes() > kMostWorkspace) return std::nullopt;
    try {
      if (!scratch_) scratch_.emplace(device_, shape_);
      const Buffer workspace(device_, plan.workspace_bytes());
      std::vector<void*> memory = scratch_->memory(pass_);
      Event start, stop;
      std::optional<double> least;
      for (int run = 0; run < kWarmUp + kRuns; ++run) {
        start.record(device_.stream());
        plan.run(memory, workspace.data());
        stop.record(device_.stream());
        const double taken = stop.milliseconds_since(start);
        if (run >= kWarmUp) least = std::min(least.value_or(taken), taken);
      }
      return least;
    } catch (const Error& error) {
      if (error.code() != ExitCode::out_of_memory) throw;
      return std::nullopt;
    }
  }

  PassPlan take(const std::string& engine) { return std::move(plans_.at(engine)); }

 private:
  CudaDevice& device_;
  const ConvolutionShape& shape_;
  ConvolutionPass pass_;
  std::map<std::string, PassPlan> plans_;
  std::optional<Scratch> scratch_;
};

/// The heuristics' choice where nothing can be timed.
PassPlan described_plan(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass) {
  PassPlan plan(shape, pass, device);
  plan.plan();
  note_plan(device, shape, pass, plan.engine(), plan.workspace_bytes());
  return plan;
}

PassPlan fastest_plan(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass) {
  if (device.list()) return described_plan(device, shape, pass);
  CudnnTimer timer(device, shape, pass);
  const std::string key = plan_key(shape, pass, device.name(), convolution_library());
  const std::string engine = device.choose(key, timer);
  if (!engine.empty()) return timer.take(engine);
  PassPlan plan(shape, pass, device);
  plan.plan();  // says why there is none
  return plan;
}

/// "eng44" of "eng44_k2=12_k18=1".
std::string without_knobs(const std::string& engine) {
  return engine.substr(0, engine.find('_'));
}

class CudnnPlans final : public ConvolutionPlans {
 public:
  CudnnPlans(CudaDevice& device, const ConvolutionShape& shape,
             const std::vector<ConvolutionPass>& passes)
      : device_(device), shape_(shape) {
    for (const ConvolutionPass pass : passes) {
      const PassPlan& plan = plan_of(pass).emplace(fastest_plan(device, shape, pass));
      workspace_bytes_ = std::max(workspace_bytes_, plan.workspace_bytes());
      description_ += (description_.empty() ? "cuDNN " : ", ") + without_knobs(plan.engine());
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
  std::optional<PassPlan>& plan_of(ConvolutionPass pass) {
    return plans_[static_cast<size_t>(pass)];
  }
  /// cuDNN takes all addresses as void*; it writes only the graph's result.
  void run(ConvolutionPass pass, std::initializer_list<const void*> memory, void* workspace) {
    const auto noted = [&] {
      return LaunchList::Launch{
          .kernel = fmt::format("convolution {} {}", to_string(pass), plan_of(pass)->engine()),
          .bytes = moved_bytes(shape_, pass)};
    };
    if (LaunchList* list = device_.list()) return list->add(noted());
    std::array<void*, 4> pointers{};
    size_t count = 0;
    for (const void* each : memory) pointers[count++] = const_cast<void*>(each);
    LaunchTimer* const timer = device_.timer();
    if (timer) timer->begin();
    plan_of(pass)->run(std::span(pointers).first(count), workspace);
    if (timer) timer->end(noted());
  }

  CudaDevice& device_;
  const ConvolutionShape shape_;
  std::array<std::optional<PassPlan>, 3> plans_;
  size_t workspace_bytes_ = 0;
  std::string description_;
};

}  // namespace

std::unique_ptr<ConvolutionPlans> make_convolution_plans(
    CudaDevice& device, const ConvolutionShape& shape, const std::vector<ConvolutionPass>& passes) {
  return std::make_unique<CudnnPlans>(device, shape, passes);
}

}  // namespace engine
