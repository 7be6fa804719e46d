#include "engine/cuda/cuda_device.h"

#include <nvtx3/nvToolsExt.h>

#include "engine/core/error.h"
#include "engine/cuda/check.h"
#include "engine/cuda/lanes.h"
#include "engine/cuda/launch_timer.h"
#include "engine/cuda/plan_cache.h"
#include "engine/cuda/staging.h"

namespace engine {

void check(cudaError_t error, std::string_view doing) {
  if (error == cudaSuccess) return;
  if (error == cudaErrorMemoryAllocation) {
    fail(ExitCode::out_of_memory, "{}: the GPU is out of memory; a smaller batch_size needs less",
         doing);
  }
  fail(ExitCode::device,
       "{}: {} ({}); the GPU cannot be used any more by this process. Look at `dmesg` and "
       "`nvidia-smi`, then go on with --resume",
       doing, cudaGetErrorString(error), cudaGetErrorName(error));
}

namespace {

/// A captured graph, ready to be launched.
class CudaRecording : public Recording {
 public:
  CudaRecording(cudaGraphExec_t graph, cudaStream_t stream) : graph_(graph), stream_(stream) {}
  ~CudaRecording() override { cudaGraphExecDestroy(graph_); }
  CudaRecording(const CudaRecording&) = delete;
  void replay() override { check(cudaGraphLaunch(graph_, stream_), "launching a recorded step"); }

 private:
  cudaGraphExec_t graph_;
  cudaStream_t stream_;
};

}  // namespace

CudaDevice::CudaDevice(int ordinal, std::shared_ptr<PlanCache> plans, ProductLibrary products)
    : plan_cache_(plans ? std::move(plans) : std::make_shared<PlanCache>()), products_(products) {
  check(cudaSetDevice(ordinal), "choosing the GPU");
  check(cudaGetDeviceProperties(&properties_, ordinal), "asking for the GPU's properties");
  lanes_ = std::make_unique<Lanes>();
  stream_ = lanes_->streams()[0];
}

CudaDevice::CudaDevice(const cudaDeviceProp& properties, const DeviceProfile& profile)
    : properties_(properties),
      plan_cache_(std::make_shared<PlanCache>()),
      profile_(&profile),
      list_(std::make_unique<LaunchList>()) {}

CudaDevice::~CudaDevice() = default;  // the libraries go before the streams that they use

std::string CudaDevice::description() const {
  return fmt::format("{}, compute capability {}.{}, {} multiprocessors, {:.1f} GB",
                     properties_.name, properties_.major, properties_.minor,
                     properties_.multiProcessorCount,
                     static_cast<double>(properties_.totalGlobalMem) / 1e9);
}

std::string CudaDevice::identity() const {
  return uuid_text(properties_);
}

std::string uuid_text(const cudaDeviceProp& properties) {
  std::string text = "GPU-";
  for (size_t i = 0; i < sizeof(properties.uuid.bytes); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<uint8_t>(properties.uuid.bytes[i]));
  }
  return text;
}

void CudaDevice::out_of_memory(size_t bytes, size_t free, size_t total) {
  fail(ExitCode::out_of_memory,
       "out of GPU memory: {:.1f} MB were asked for, {:.1f} of {:.1f} MB are free; a smaller "
       "batch_size needs less",
       static_cast<double>(bytes) / 1e6, static_cast<double>(free) / 1e6,
       static_cast<double>(total) / 1e6);
}

void* CudaDevice::allocate(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes ? bytes : 1);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // this one is reported; it must not be the next call's
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    out_of_memory(bytes, free, total);
  }
  check(error, "allocating GPU memory");
  return memory;
}

void CudaDevice::release(void* memory) noexcept {
  cudaFree(memory);  // waits for what is queued
}

Staging& CudaDevice::staging() {
  if (!staging_) staging_ = std::make_unique<Staging>();
  return *staging_;
}

void CudaDevice::copy_to_device(void* device, const void* host, size_t bytes) {
  if (bytes) staging().to_device(device, host, bytes, stream_);
}

void CudaDevice::copy_to_host(void* host, const void* device, size_t bytes) {
  if (bytes) staging().to_host(host, device, bytes, stream_);
}

void CudaDevice::copy(void* to, const void* from, size_t bytes) {
  if (!bytes) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_),
        "copying within the GPU");
}

void CudaDevice::zero(void* device, size_t bytes) {
  if (bytes) check(cudaMemsetAsync(device, 0, bytes, stream_), "clearing GPU memory");
}

std::unique_ptr<Recording> CudaDevice::record(std::function<void()> work) {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a step");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(stream_, &graph);  // the stream is usable again; the graph is dropped
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(stream_, &graph), "recording a step");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "making a recorded step ready");
  return std::make_unique<CudaRecording>(executable, stream_);
}

int CudaDevice::lanes() const {
  return Lanes::kCount;
}

std::span<const cudaStream_t> CudaDevice::streams() const {
  return lanes_ ? lanes_->streams() : std::span<const cudaStream_t>();
}

void CudaDevice::fork_lanes(int count) {
  if (lanes_ && !timer_) lanes_->fork_lanes(count);
}

void CudaDevice::use_lane(int lane) {
  if (!lanes_ || timer_) return;
  lane_ = lane;
  stream_ = lanes_->streams()[static_cast<size_t>(lane)];
}

void CudaDevice::join() {
  use_lane(0);
  if (lanes_) lanes_->join();
}

void CudaDevice::begin_range(std::string_view name) {
  char text[128]{};  // NVTX takes no lengths
  name.copy(text, sizeof(text) - 1);
  nvtxRangePushA(text);
  ranges_.push_back(name);
  if (timer_) timer_->begin_range(name);
}

void CudaDevice::end_range() {
  nvtxRangePop();
  ranges_.pop_back();
  if (timer_) timer_->end_range();
}

void CudaDevice::choose_again(const Choices& wanted) {
  wanted_ = std::move(wanted);
  choices_.clear();
}

std::string CudaDevice::choose(const std::string& key, EngineTimer& timer, size_t most) {
  const std::string what = fmt::format("{}: {}", ranges_.empty() ? "" : ranges_.back(), key);
  const auto wanted = wanted_.find(what);
  const bool again = wanted != wanted_.end() && timer.make(wanted->second);
  std::string engine = again ? wanted->second : choose_engine(*plan_cache_, key, timer, most);
  if (!engine.empty()) choices_[what] = wanted_[what] = engine;
  return engine;
}

LaunchList CudaDevice::time_launches(const std::function<void()>& work) {
  timer_ =
      std::make_unique<LaunchTimer>(*this, stream_, static_cast<size_t>(properties_.l2CacheSize));
  try {
    work();
    LaunchList list = timer_->result();
    timer_.reset();
    return list;
  } catch (...) {
    timer_.reset();
    throw;
  }
}

void CudaDevice::synchronize() {
  check(cudaStreamSynchronize(stream_), "waiting for the GPU");
}

}  // namespace engine
