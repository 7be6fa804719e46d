#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace engine {

/// Work that can be queued again, whole, with one call. It uses the memory that it was recorded
/// with.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
};

/// What was chosen by timing, so that it can come out differently another time, and with it the
/// bits of results: an engine for each "<node>: <all that decides which one is fast>".
using Choices = std::map<std::string, std::string>;

/// A machine that runs plans: its memory, and lanes in which work runs in the order in which it was
/// queued. An executor owns one; there are no globals, so several can live in one process.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view kind() const = 0;  ///< "cpu", "cuda"
  virtual std::string description() const = 0;
  /// Which of several alike: a GPU's UUID as `nvidia-smi -L` lists it; empty for the CPU.
  virtual std::string identity() const { return {}; }

  /// Memory aligned to 64 bytes (256 on a GPU). Throws Error (out_of_memory) that says how much was
  /// asked for and how much there is.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void copy_to_device(void* device, const void* host, size_t bytes) = 0;
  virtual void copy_to_host(void* host, const void* device, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;  ///< within the device
  virtual void zero(void* device, size_t bytes) = 0;
  virtual void synchronize() = 0;
  /// Work is done when a call returns: looking at its results costs nothing.
  virtual bool is_synchronous() const = 0;
  /// Names what is queued from now on, until the end_range() that belongs to it: for profilers.
  /// Ranges nest, and their names outlive them. See DeviceRange.
  virtual void begin_range(std::string_view) {}
  virtual void end_range() {}
  /// From now on the same engines are chosen, where they can still be had, and others by timing.
  virtual void choose_again(const Choices&) {}
  /// Chosen since then, or ever. A device that times nothing has none.
  virtual Choices choices() const { return {}; }
  /// How many lanes fork_lanes() may be asked for; 1: no two calls ever run side by side.
  virtual int lanes() const { return 1; }
  /// Until join(), what is queued goes into the lane that use_lane() said last (0 to count - 1; at
  /// first 0). Lanes begin after all that was queued before and may run side by side; what is
  /// queued after join() waits for all of them. Forks do not nest. See DeviceFork.
  virtual void fork_lanes(int) {}
  virtual void use_lane(int) {}
  virtual void join() {}
  /// Notes what work() queues, and runs none of it. work() may not wait for the device.
  virtual std::unique_ptr<Recording> record(std::function<void()> work) = 0;
};

/// A device's range as long as this object lives: a phase of a step ("forward"), within it a node.
class DeviceRange {
 public:
  DeviceRange(Device& device, std::string_view name) : device_(device) { device.begin_range(name); }
  ~DeviceRange() { device_.end_range(); }
  DeviceRange(const DeviceRange&) = delete;

 private:
  Device& device_;
};

/// A device's fork that ends with join() or, when an exception comes in between, with this object.
class DeviceFork {
 public:
  /// The destructor runs also when only some of the lanes could be forked.
  DeviceFork(Device& device, int lanes) : DeviceFork(device) { device.fork_lanes(lanes); }
  ~DeviceFork() {
    if (!device_) return;
    try {
      device_->join();
    } catch (...) {  // the exception that is under way says why
    }
  }
  DeviceFork(const DeviceFork&) = delete;
  void join() { std::exchange(device_, nullptr)->join(); }

 private:
  explicit DeviceFork(Device& device) : device_(&device) {}
  Device* device_;
};

/// Device memory with one owner.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device& device, size_t bytes)
      : device_(&device), data_(bytes ? device.allocate(bytes) : nullptr), bytes_(bytes) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_) device_->release(data_);
  }

  void* data() const { return data_; }
  float* f32() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  Device* device_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace engine
