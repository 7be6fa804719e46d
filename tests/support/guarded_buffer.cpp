#include "tests/support/guarded_buffer.h"

#include <atomic>
#include <cstring>

namespace engine::test {
namespace {

constexpr size_t kGuardWords = 64;

/// Quiet NaNs, another for each buffer: a sum of two NaNs is one of them, so what is copied or
/// computed from one buffer's guard into another's shows.
uint32_t next_poison() {
  static std::atomic<uint32_t> count = 0;
  return 0x7FC00000u | (++count & 0x3FFFFFu);
}

}  // namespace

GuardedTensor::GuardedTensor(Device& device, Shape shape, int64_t pitch)
    : device_(&device),
      view_{nullptr, shape, DType::f32, pitch ? pitch : shape.c},
      // The last row ends with its channels: memory behind it belongs to others.
      payload_words_(
          shape.elements() ? static_cast<size_t>((shape.pixels() - 1) * view_.pitch + shape.c) : 0),
      poison_(next_poison()),
      buffer_(device, (payload_words_ + 2 * kGuardWords) * sizeof(uint32_t)) {
  const std::vector<uint32_t> poison(payload_words_ + 2 * kGuardWords, poison_);
  device.copy_to_device(buffer_.data(), poison.data(), buffer_.bytes());
  view_.data = buffer_.f32() + kGuardWords;
}

GuardedTensor::GuardedTensor(Device& device, size_t bytes)
    : GuardedTensor(device, Shape{1, 1, 1, static_cast<int64_t>((bytes + 3) / 4)}) {}

bool GuardedTensor::is_payload(size_t word) const {
  if (word < kGuardWords || word >= kGuardWords + payload_words_) return false;
  return static_cast<int64_t>(word - kGuardWords) % view_.pitch < view_.shape.c;
}

std::vector<uint32_t> GuardedTensor::download() const {
  std::vector<uint32_t> words(payload_words_ + 2 * kGuardWords);
  device_->synchronize();
  device_->copy_to_host(words.data(), buffer_.data(), buffer_.bytes());
  return words;
}

void GuardedTensor::write(const std::vector<float>& values) {
  std::vector<uint32_t> words = download();
  size_t next = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if (is_payload(i)) std::memcpy(&words[i], &values.at(next++), sizeof(float));
  }
  device_->copy_to_device(buffer_.data(), words.data(), buffer_.bytes());
}

std::vector<float> GuardedTensor::read() const {
  const std::vector<uint32_t> words = download();
  std::vector<float> values;
  for (size_t i = 0; i < words.size(); ++i) {
    if (!is_payload(i)) continue;
    values.emplace_back();
    std::memcpy(&values.back(), &words[i], sizeof(float));
  }
  return values;
}

bool GuardedTensor::intact() const {
  const std::vector<uint32_t> words = download();
  for (size_t i = 0; i < words.size(); ++i) {
    if (!is_payload(i) && words[i] != poison_) return false;
  }
  return true;
}

}  // namespace engine::test
