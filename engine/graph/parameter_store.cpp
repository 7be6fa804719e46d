#include "engine/graph/parameter_store.h"

#include <algorithm>
#include <set>

#include <fmt/ranges.h>

#include "engine/core/device_floats.h"
#include "engine/core/error.h"

namespace engine {
namespace {

constexpr int64_t kSliceElements = 16;  // 64 bytes

std::string dims_text(std::span<const int64_t> dims) {
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

size_t bytes_of(int64_t elements) {
  return static_cast<size_t>(elements) * sizeof(float);
}

Buffer zeroed(Device& device, int64_t elements, DType type = DType::f32) {
  Buffer buffer(device, static_cast<size_t>(elements) * size_of(type));
  if (buffer) device.zero(buffer.data(), buffer.bytes());
  return buffer;
}

}  // namespace

void ParameterStore::add(const std::string& node, std::span<const ParameterSpec> specs,
                         const std::shared_ptr<Kernel>& kernel) {
  for (size_t i = 0; i < specs.size(); ++i) {
    StoredParameter parameter{
        .name = node + '.' + specs[i].name, .spec = specs[i], .kernel = kernel, .index = i};
    parameter.stored = kernel->stored_elements(i);
    if (!by_name_.emplace(parameter.name, list_.size()).second) {
      fail(ExitCode::internal, "two parameters are called {}", parameter.name);
    }
    list_.push_back(std::move(parameter));
  }
}

void ParameterStore::allocate(bool training, int moments) {
  int64_t end = 0;
  for (const bool trainable : {true, false}) {
    for (StoredParameter& parameter : list_) {
      if (parameter.spec.trainable != trainable) continue;
      parameter.offset = end;
      end += (parameter.stored + kSliceElements - 1) / kSliceElements * kSliceElements;
    }
    (trainable ? trainable_ : elements_) = end;
  }
  parameters_ = zeroed(device_, elements_);
  if (storage_ != DType::f32) operands_ = zeroed(device_, trainable_, storage_);
  if (!training) return;
  gradients_ = zeroed(device_, trainable_, storage_);
  for (int i = 0; i < moments; ++i) {
    moments_.push_back(zeroed(device_, trainable_));
    moment_pointers_.push_back(moments_.back().f32());
  }
}

size_t ParameterStore::find(const std::string& node, const ParameterSpec& spec,
                            const Kernel& kernel, size_t index) const {
  const auto found = by_name_.find(node + '.' + spec.name);
  if (found == by_name_.end() || list_[found->second].stored != kernel.stored_elements(index)) {
    fail(ExitCode::internal, "kernels of {} do not agree on how {} is stored", node, spec.name);
  }
  return found->second;
}

void* ParameterStore::place_in(const Buffer& arena, size_t i) const {
  if (!list_[i].spec.trainable || !arena) return nullptr;
  return static_cast<std::byte*>(arena.data()) +
         static_cast<size_t>(list_[i].offset) * size_of(storage_);
}

const void* ParameterStore::operand(size_t i) const {
  if (storage_ != DType::f32) return place_in(operands_, i);
  return list_[i].spec.trainable ? parameter(i) : nullptr;
}

/// After parameters have come from the host; in training the update does it.
void ParameterStore::round_operands() {
  if (!operands_) return;
  const auto count = static_cast<size_t>(trainable_);
  write_floats(device_, operands_.data(),
               read_floats(device_, parameters_.data(), count, DType::f32), storage_);
}

void ParameterStore::initialize(uint32_t seed) {
  std::vector<float> file;
  for (const StoredParameter& parameter : list_) {
    file.resize(static_cast<size_t>(parameter.spec.elements()));
    draw_initial(parameter.spec.initializer, parameter.name, seed, file);
    import_one(parameter, file.data(), parameters_.f32());
  }
  round_operands();
}

NamedTensor ParameterStore::export_one(const StoredParameter& parameter, const void* place,
                                       DType type, const std::string& name) const {
  const std::vector<float> stored =
      read_floats(device_, place, static_cast<size_t>(parameter.stored), type);
  NamedTensor tensor{.name = name, .dims = parameter.spec.dims};
  tensor.bytes.resize(bytes_of(parameter.spec.elements()));
  parameter.kernel->export_parameter(parameter.index, stored.data(), tensor.f32());
  return tensor;
}

void ParameterStore::import_one(const StoredParameter& parameter, const float* file, float* arena) {
  std::vector<float> stored(static_cast<size_t>(parameter.stored), 0.0f);
  parameter.kernel->import_parameter(parameter.index, file, stored.data());
  device_.copy_to_device(arena + parameter.offset, stored.data(), bytes_of(parameter.stored));
}

std::vector<NamedTensor> ParameterStore::export_parameters() const {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < list_.size(); ++i) {
    tensors.push_back(export_one(list_[i], parameter(i), DType::f32, list_[i].name));
  }
  return tensors;
}

std::vector<NamedTensor> ParameterStore::export_gradients() const {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < list_.size(); ++i) {
    if (const void* place = gradient(i)) {
      tensors.push_back(export_one(list_[i], place, storage_, list_[i].name));
    }
  }
  return tensors;
}

std::vector<NamedTensor> ParameterStore::export_moments() const {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < moments_.size(); ++i) {
    for (const StoredParameter& parameter : list_) {
      if (!parameter.spec.trainable) continue;
      tensors.push_back(export_one(parameter, moments_[i].f32() + parameter.offset, DType::f32,
                                   fmt::format("m{}/{}", i, parameter.name)));
    }
  }
  return tensors;
}

void ParameterStore::import_parameters(std::span<const NamedTensor> tensors) {
  import_all(tensors, {{"", parameters_.f32()}}, true, "weights");
  round_operands();
}

void ParameterStore::import_moments(std::span<const NamedTensor> tensors) {
  std::vector<std::pair<std::string, float*>> arenas;
  for (size_t i = 0; i < moments_.size(); ++i) {
    arenas.emplace_back(fmt::format("m{}/", i), moments_[i].f32());
  }
  import_all(tensors, arenas, false, "optimizer state");
}

/// Checks everything first and reports all of it: a network is never left half loaded.
void ParameterStore::import_all(std::span<const NamedTensor> tensors,
                                const std::vector<std::pair<std::string, float*>>& arenas, bool all,
                                std::string_view what) {
  struct Target {
    const StoredParameter* parameter;
    float* arena;
    const NamedTensor* tensor = nullptr;
  };
  std::unordered_map<std::string, Target> targets;
  for (const auto& [prefix, arena] : arenas) {
    for (const StoredParameter& parameter : list_) {
      if (all || parameter.spec.trainable) targets[prefix + parameter.name] = {&parameter, arena};
    }
  }
  std::vector<std::string> problems;
  for (const NamedTensor& tensor : tensors) {
    const auto found = targets.find(tensor.name);
    if (found == targets.end()) {
      problems.push_back(fmt::format("\"{}\" is not in the network", tensor.name));
      continue;
    }
    Target& target = found->second;
    const std::vector<int64_t>& dims = target.parameter->spec.dims;
    if (target.tensor) {
      problems.push_back(fmt::format("\"{}\" is there twice", tensor.name));
    } else if (tensor.dtype != DType::f32 || tensor.dims != dims) {
      problems.push_back(fmt::format("\"{}\" is {} {}, the network has float32 {}", tensor.name,
                                     to_string(tensor.dtype), dims_text(tensor.dims),
                                     dims_text(dims)));
    }
    target.tensor = &tensor;
  }
  std::set<std::string> missing;
  for (const auto& [name, target] : targets) {
    if (!target.tensor) missing.insert(name);
  }
  for (const std::string& name : missing)
    problems.push_back(fmt::format("\"{}\" is missing", name));
  if (!problems.empty()) {
    constexpr size_t kShown = 20;
    const size_t more = problems.size() > kShown ? problems.size() - kShown : 0;
    problems.resize(problems.size() - more);
    fail(ExitCode::data, "the {} do not fit the network:\n  {}{}", what,
         fmt::join(problems, "\n  "), more ? fmt::format("\n  and {} more", more) : "");
  }
  for (const auto& [name, target] : targets) {
    import_one(*target.parameter, target.tensor->f32(), target.arena);
  }
}

ParameterStore::Snapshot ParameterStore::take() const {
  Snapshot snapshot;
  const auto copy = [&](const Buffer& buffer) {
    std::vector<float> values(buffer.bytes() / sizeof(float));
    if (buffer) device_.copy_to_host(values.data(), buffer.data(), buffer.bytes());
    return values;
  };
  snapshot.parameters = copy(parameters_);
  for (const Buffer& buffer : moments_) snapshot.moments.push_back(copy(buffer));
  return snapshot;
}

void ParameterStore::put_back(const Snapshot& snapshot) {
  const auto copy = [&](const Buffer& buffer, const std::vector<float>& values) {
    if (buffer) device_.copy_to_device(buffer.data(), values.data(), buffer.bytes());
  };
  copy(parameters_, snapshot.parameters);
  for (size_t i = 0; i < moments_.size(); ++i) copy(moments_[i], snapshot.moments[i]);
  round_operands();
}

}  // namespace engine
