#include "tests/support/guarded_buffer.h"

#include <atomic>
#include <bit>
#include <cstring>

#include "engine/core/bf16.h"

// The address sanitizer's, in programs that are linked with it; null in others.
extern "C" {
[[gnu::weak]] void __asan_poison_memory_region(const volatile void* memory, size_t bytes);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* memory, size_t bytes);
}

namespace engine::test {
namespace {

constexpr size_t kGuard = 128;  // elements

/// Quiet NaNs, another for each buffer: a sum of two NaNs is one of them, so what is copied or
/// computed from one buffer's guard into another's shows.
uint32_t next_poison(DType dtype) {
  static std::atomic<uint32_t> count = 0;
  ++count;
  return dtype == DType::bf16 ? 0x7FC0u | (count & 0x3Eu) : 0x7FC00000u | (count & 0x3FFFFFu);
}

}  // namespace

GuardedTensor::GuardedTensor(Device& device, Shape shape, int64_t pitch, DType dtype)
    : device_(&device),
      view_{nullptr, shape, dtype, pitch ? pitch : shape.c},
      // The last row ends with its channels: memory behind it belongs to others.
      payload_(shape.elements() ? static_cast<size_t>((shape.pixels() - 1) * view_.pitch + shape.c)
                                : 0),
      poison_(next_poison(dtype)),
      buffer_(device, (payload_ + 2 * kGuard) * size_of(dtype)) {
  upload(std::vector<uint32_t>(payload_ + 2 * kGuard, poison_));
  view_.data = static_cast<std::byte*>(buffer_.data()) + kGuard * size_of(dtype);
}

GuardedTensor::GuardedTensor(Device& device, size_t bytes)
    : GuardedTensor(device, Shape{1, 1, 1, static_cast<int64_t>((bytes + 3) / 4)}) {}

GuardedTensor::~GuardedTensor() {
  open_guards();  // whoever is given the memory next
}

void GuardedTensor::close_guards() const {
  if (!__asan_poison_memory_region) return;
  const auto* memory = static_cast<const std::byte*>(buffer_.data());
  const size_t guard = kGuard * size_of(view_.dtype);
  __asan_poison_memory_region(memory, guard);
  __asan_poison_memory_region(memory + buffer_.bytes() - guard, guard);
}

/// For the copies of all elements.
void GuardedTensor::open_guards() const {
  if (!__asan_unpoison_memory_region) return;
  __asan_unpoison_memory_region(buffer_.data(), buffer_.bytes());
}

bool GuardedTensor::is_payload(size_t element) const {
  if (element < kGuard || element >= kGuard + payload_) return false;
  return static_cast<int64_t>(element - kGuard) % view_.pitch < view_.shape.c;
}

/// The bits of each element, guards too.
std::vector<uint32_t> GuardedTensor::download() const {
  std::vector<uint32_t> elements(payload_ + 2 * kGuard);
  device_->synchronize();
  open_guards();
  if (view_.dtype == DType::f32) {
    device_->copy_to_host(elements.data(), buffer_.data(), buffer_.bytes());
  } else {
    std::vector<uint16_t> halves(elements.size());
    device_->copy_to_host(halves.data(), buffer_.data(), buffer_.bytes());
    elements.assign(halves.begin(), halves.end());
  }
  close_guards();
  return elements;
}

void GuardedTensor::upload(const std::vector<uint32_t>& elements) {
  open_guards();
  if (view_.dtype == DType::f32) {
    device_->copy_to_device(buffer_.data(), elements.data(), buffer_.bytes());
  } else {
    std::vector<uint16_t> halves;
    for (const uint32_t element : elements) halves.push_back(static_cast<uint16_t>(element));
    device_->copy_to_device(buffer_.data(), halves.data(), buffer_.bytes());
  }
  close_guards();
}

void GuardedTensor::write(const std::vector<float>& values) {
  std::vector<uint32_t> elements = download();
  size_t next = 0;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!is_payload(i)) continue;
    const float value = values.at(next++);
    elements[i] = view_.dtype == DType::f32 ? std::bit_cast<uint32_t>(value) : to_bf16(value).bits;
  }
  upload(elements);
}

std::vector<float> GuardedTensor::read() const {
  const std::vector<uint32_t> elements = download();
  std::vector<float> values;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!is_payload(i)) continue;
    values.push_back(view_.dtype == DType::f32
                         ? std::bit_cast<float>(elements[i])
                         : to_float(Bf16{static_cast<uint16_t>(elements[i])}));
  }
  return values;
}

bool GuardedTensor::intact() const {
  const std::vector<uint32_t> elements = download();
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!is_payload(i) && elements[i] != poison_) return false;
  }
  return true;
}

}  // namespace engine::test
