#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <span>
#include <vector>

#include "engine/core/backend.h"
#include "engine/core/device.h"
#include "engine/core/launch_list.h"

namespace engine {

class EngineTimer;     // engine/cuda/plan_cache.h
class Lanes;           // engine/cuda/lanes.h
class LaunchTimer;     // engine/cuda/launch_timer.h
class PlanCache;       // engine/cuda/plan_cache.h
class Staging;         // engine/cuda/staging.h
struct DeviceProfile;  // engine/cuda/device_profiles.h

/// What a library keeps for a device, such as its handle.
class DeviceLibrary {
 public:
  virtual ~DeviceLibrary() = default;
};

/// "GPU-7d2c...", as CUDA_VISIBLE_DEVICES takes it.
std::string uuid_text(const cudaDeviceProp& properties);

/// One GPU with one stream, and side streams for what is queued between fork() and join(). All that
/// kernels and copies do is in their stream's order; copies between host and device return when
/// they are done, all else is only queued.
class CudaDevice : public Device {
 public:
  /// Throws Error (device) when there is no such GPU or it cannot be used. plans: where to look up,
  /// and to remember, which convolution plans are fast.
  explicit CudaDevice(int ordinal, std::shared_ptr<PlanCache> plans = nullptr,
                      ProductLibrary products = ProductLibrary::fastest);
  ~CudaDevice() override;
  CudaDevice(const CudaDevice&) = delete;

  std::string_view kind() const override { return "cuda"; }
  std::string description() const override;
  std::string identity() const override;
  void* allocate(size_t bytes) override;
  void release(void* memory) noexcept override;
  void copy_to_device(void* device, const void* host, size_t bytes) override;
  void copy_to_host(void* host, const void* device, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void zero(void* device, size_t bytes) override;
  void synchronize() override;
  bool is_synchronous() const override { return false; }
  /// A CUDA graph: one launch, whatever the number of kernels.
  std::unique_ptr<Recording> record(std::function<void()> work) override;
  int lanes() const override;
  /// Does nothing while launches are timed: they run one after the other then.
  void fork_lanes(int count) override;
  void use_lane(int lane) override;
  void join() override;
  /// NVTX ranges.
  void begin_range(std::string_view name) override;
  void end_range() override;
  void choose_again(const Choices& wanted) override;
  Choices choices() const override { return choices_; }

  cudaStream_t stream() const { return stream_; }  ///< of the lane in use
  int lane() const { return lane_; }               ///< the one in use
  std::span<const cudaStream_t> streams() const;   ///< of all lanes; none: only described
  int compute_capability() const { return properties_.major * 10 + properties_.minor; }
  int multiprocessors() const { return properties_.multiProcessorCount; }
  std::string_view name() const { return properties_.name; }
  size_t memory_bytes() const { return properties_.totalGlobalMem; }
  PlanCache& plan_cache() { return *plan_cache_; }
  ProductLibrary products() const { return products_; }
  /// The engine for what a key (see plan_key) stands for: that of choose_again(), if it can be
  /// made, else that of choose_engine() with as many timed. Empty: none can be made.
  std::string choose(const std::string& key, EngineTimer& timer, size_t most);
  /// Where a device that is only described notes what is asked of it instead of doing it, and its
  /// profile; null for a device that is there.
  LaunchList* list() const { return list_.get(); }
  const DeviceProfile* profile() const { return profile_; }
  /// Runs work() with timer() in place. See Backend.
  LaunchList time_launches(const std::function<void()>& work);
  /// Goes around each launch while launches are timed; null otherwise.
  LaunchTimer* timer() const { return timer_.get(); }

  /// The device's one L, made from the lanes' streams by the first call: when plans are made, never
  /// in a step.
  template <class L>
  L& library() {
    for (const auto& each : libraries_) {
      if (auto* found = dynamic_cast<L*>(each.get())) return *found;
    }
    auto made = std::make_unique<L>(streams());
    L& library = *made;
    libraries_.push_back(std::move(made));
    return library;
  }

 protected:
  /// A device that is only described: touches no driver and has no stream.
  CudaDevice(const cudaDeviceProp& properties, const DeviceProfile& profile);
  /// Throws Error (out_of_memory).
  [[noreturn]] static void out_of_memory(size_t bytes, size_t free, size_t total);

 private:
  Staging& staging();

  cudaDeviceProp properties_{};
  std::unique_ptr<Lanes> lanes_;
  int lane_ = 0;
  cudaStream_t stream_ = nullptr;
  std::vector<std::unique_ptr<DeviceLibrary>> libraries_;
  std::shared_ptr<PlanCache> plan_cache_;
  ProductLibrary products_ = ProductLibrary::fastest;
  Choices wanted_, choices_;
  std::vector<std::string_view> ranges_;
  const DeviceProfile* profile_ = nullptr;
  std::unique_ptr<LaunchList> list_;
  std::unique_ptr<LaunchTimer> timer_;
  std::unique_ptr<Staging> staging_;  ///< made by the first copy that needs it
};

/// The device of a kernel's setup, which the registry's tables make sure is a GPU.
inline CudaDevice& as_cuda(Device& device) {
  return static_cast<CudaDevice&>(device);
}

}  // namespace engine
