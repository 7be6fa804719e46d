#pragma once

#include <vector>

#include "engine/core/device.h"

namespace engine::test {

/// Values in a device's memory, which on a GPU no host code can reach: put there when this is made,
/// read back when asked for.
template <class T>
class OnDevice {
 public:
  OnDevice(Device& device, const std::vector<T>& values)
      : device_(&device), count_(values.size()), buffer_(device, count_ * sizeof(T)) {
    device.copy_to_device(buffer_.data(), values.data(), buffer_.bytes());
  }

  /// Null where there are no values.
  T* data() const { return static_cast<T*>(buffer_.data()); }
  /// After all work that was queued before.
  std::vector<T> read() const {
    std::vector<T> values(count_);
    device_->synchronize();
    device_->copy_to_host(values.data(), buffer_.data(), buffer_.bytes());
    return values;
  }

 private:
  Device* device_;
  size_t count_;
  Buffer buffer_;
};

}  // namespace engine::test
