#pragma once

#include <string>
#include <unordered_map>

#include "engine/cuda/cuda_device.h"
#include "engine/cuda/device_profiles.h"

namespace engine {

/// A GPU that need not be there: plans can be made for it and everything be queued on it. Its
/// memory has addresses that nobody may touch; copies to it and within it do nothing, copies from
/// it give zeros; kernels and library calls are noted in list() and run nowhere. Needs no driver.
class DescribedDevice final : public CudaDevice {
 public:
  /// Throws Error (internal) when the profile lacks something.
  explicit DescribedDevice(const DeviceProfile& profile);
  ~DescribedDevice() override;

  std::string description() const override;
  /// Throws Error (out_of_memory) when more would be in use than the GPU has.
  void* allocate(size_t bytes) override;
  void release(void* memory) noexcept override;
  void copy_to_device(void* device, const void* host, size_t bytes) override;
  void copy_to_host(void* host, const void* device, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void zero(void* device, size_t bytes) override;
  void synchronize() override {}
  std::unique_ptr<Recording> record(std::function<void()> work) override;
  void begin_range(std::string_view name) override { list()->begin_range(name); }
  void end_range() override { list()->end_range(); }
  void use_lane(int lane) override { list()->use_lane(lane); }
  void join() override { list()->use_lane(0); }

 private:
  std::unordered_map<void*, size_t> blocks_;  ///< in use, with their bytes
};

}  // namespace engine
