// Which library's engine computes a pass fastest on the GPU that is here.

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "engine/core/error.h"
#include "engine/cuda/check.h"
#include "engine/cuda/plan_cache.h"
#include "engine/cuda/planned_pass.h"

namespace engine {
namespace {

class Event {
 public:
  explicit Event(CudaDevice& device) : device_(device) {
    check(cudaEventCreate(&event_), "making an event");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  void record() { check(cudaEventRecord(event_, device_.stream()), "timing a plan"); }
  /// Waits for the device.
  double milliseconds_since(const Event& start) const {
    float milliseconds = 0;
    device_.synchronize();
    check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "timing a plan");
    return milliseconds;
  }

 private:
  CudaDevice& device_;
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
  /// Those of a pass in the order of PlannedPass::run.
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

class PassTimer : public EngineTimer {
 public:
  PassTimer(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass,
            std::vector<std::unique_ptr<PassEngines>> libraries)
      : device_(device), shape_(shape), pass_(pass), libraries_(std::move(libraries)) {}

  std::vector<std::string> engines() override {
    std::vector<std::vector<std::string>> lists;
    for (const auto& library : libraries_) lists.push_back(library->names());
    return take_turns(lists);
  }

  bool make(const std::string& engine) override {
    if (plans_.contains(engine)) return true;
    for (const auto& library : libraries_) {
      auto plan = library->make(engine);
      if (!plan) continue;
      plans_.emplace(engine, std::move(plan));
      return true;
    }
    return false;
  }

  /// The least of a few runs: what disturbs a run makes it longer.
  std::optional<double> time(const std::string& engine) override {
    const PlannedPass& plan = *plans_.at(engine);
    if (plan.workspace_bytes() > kMostWorkspace) return std::nullopt;
    try {
      return least_time(plan);
    } catch (const Error& error) {
      // It does not run, or not in the memory that is left. Others may, if the GPU still works.
      if (error.code() != ExitCode::out_of_memory) device_.synchronize();
      return std::nullopt;
    }
  }

  std::unique_ptr<PlannedPass> take(const std::string& engine) {
    return std::move(plans_.at(engine));
  }

 private:
  double least_time(const PlannedPass& plan) {
    constexpr int kWarmUp = 2, kRuns = 5;
    if (!scratch_) scratch_.emplace(device_, shape_);
    const Buffer workspace(device_, plan.workspace_bytes());
    std::vector<void*> memory = scratch_->memory(pass_);
    Event start(device_), stop(device_);
    std::optional<double> least;
    for (int run = 0; run < kWarmUp + kRuns; ++run) {
      start.record();
      plan.run(memory, workspace.data());
      stop.record();
      const double taken = stop.milliseconds_since(start);
      if (run >= kWarmUp) least = std::min(least.value_or(taken), taken);
    }
    return *least;
  }

  CudaDevice& device_;
  const ConvolutionShape& shape_;
  ConvolutionPass pass_;
  std::vector<std::unique_ptr<PassEngines>> libraries_;
  std::map<std::string, std::unique_ptr<PlannedPass>> plans_;
  std::optional<Scratch> scratch_;
};

}  // namespace

std::unique_ptr<PlannedPass> fastest_pass(CudaDevice& device, const ConvolutionShape& shape,
                                          ConvolutionPass pass, std::string_view versions,
                                          std::vector<std::unique_ptr<PassEngines>> libraries) {
  const size_t most = libraries.size() * kTimedOfALibrary;
  PassTimer timer(device, shape, pass, std::move(libraries));
  const std::string key = plan_key(shape, pass, device.name(), versions);
  const std::string engine = device.choose(key, timer, most);
  return engine.empty() ? nullptr : timer.take(engine);
}

}  // namespace engine
