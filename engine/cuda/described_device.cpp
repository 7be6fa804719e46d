#include "engine/cuda/described_device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "engine/core/error.h"
#include "engine/core/json.h"

namespace engine {
namespace {

/// A step that was noted when it was recorded.
class NotedStep : public Recording {
 public:
  void replay() override {}
};

cudaDeviceProp properties_of(const DeviceProfile& profile) {
  const std::string file = fmt::format("profile of {}", profile.target);
  const Value all = parse_json_or_throw(profile.json, file, ExitCode::internal);
  const auto value = [&](std::string_view key, Value::Kind kind) -> const Value& {
    const Value* found = all.find(key);
    if (!found || !found->is(kind)) fail(ExitCode::internal, "{} lacks {}", file, key);
    return *found;
  };
  const auto number = [&](std::string_view key) {
    return value(key, Value::Kind::integer).integer();
  };
  cudaDeviceProp properties{};
  const std::string& name = value("deviceName", Value::Kind::string).string();
  name.copy(properties.name, sizeof(properties.name) - 1);
  properties.major = static_cast<int>(number("deviceVer") / 100);
  properties.minor = static_cast<int>(number("deviceVer") / 10 % 10);
  properties.multiProcessorCount = static_cast<int>(number("multiProcessorCount"));
  properties.totalGlobalMem = static_cast<size_t>(number("totalGlobalMem"));
  return properties;
}

size_t whole_pieces(size_t bytes) {
  constexpr size_t kPiece = 256;
  return std::max<size_t>(1, (bytes + kPiece - 1) / kPiece) * kPiece;
}

}  // namespace

DescribedDevice::DescribedDevice(const DeviceProfile& profile)
    : CudaDevice(properties_of(profile), profile) {}

DescribedDevice::~DescribedDevice() {
  for (const auto& [address, bytes] : blocks_) munmap(address, bytes);
}

std::string DescribedDevice::description() const {
  return CudaDevice::description() + " (only described)";
}

/// Address space without memory: reading or writing it ends the process.
void* DescribedDevice::allocate(size_t bytes) {
  const size_t wanted = whole_pieces(bytes);
  const size_t free = memory_bytes() - list()->memory;
  void* address = wanted > free ? MAP_FAILED
                                : mmap(nullptr, wanted, PROT_NONE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) out_of_memory(bytes, free, memory_bytes());
  blocks_[address] = wanted;
  list()->memory += wanted;
  list()->peak_memory = std::max(list()->peak_memory, list()->memory);
  return address;
}

void DescribedDevice::release(void* memory) noexcept {
  const auto found = blocks_.find(memory);
  if (found == blocks_.end()) return;
  list()->memory -= found->second;
  munmap(memory, found->second);
  blocks_.erase(found);
}

void DescribedDevice::copy_to_device(void*, const void*, size_t) {}

void DescribedDevice::copy_to_host(void* host, const void*, size_t bytes) {
  if (bytes) std::memset(host, 0, bytes);
}

void DescribedDevice::copy(void*, const void*, size_t bytes) {
  if (bytes) list()->add(LaunchList::Launch{.kernel = "copy", .bytes = 2.0 * bytes});
}

void DescribedDevice::zero(void*, size_t bytes) {
  if (bytes) list()->add(LaunchList::Launch{.kernel = "fill", .bytes = 1.0 * bytes});
}

std::unique_ptr<Recording> DescribedDevice::record(std::function<void()> work) {
  work();
  return std::make_unique<NotedStep>();
}

}  // namespace engine
