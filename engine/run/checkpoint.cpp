#include "engine/run/checkpoint.h"

#include <cmath>

#include "engine/core/error.h"
#include "engine/run/state_file.h"

namespace engine {
namespace {

uint64_t bytes_of(const std::vector<NamedTensor>& tensors) {
  uint64_t total = 0;
  for (const NamedTensor& tensor : tensors) total += tensor.bytes.size() + 256;  // and its header
  return total;
}

void require_finite(const std::vector<NamedTensor>& tensors, std::string_view what) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.dtype != DType::f32) continue;
    const float* values = tensor.f32();
    const int64_t count = tensor.elements();
    bool finite = true;
    for (int64_t i = 0; i < count; ++i) finite &= std::isfinite(values[i]);
    if (!finite) {
      fail(ExitCode::diverged,
           "{} {} holds NaN or Inf; it is not saved, and the last good checkpoint is kept", what,
           tensor.name);
    }
  }
}

SafetensorsFile weights_file(const std::vector<NamedTensor>& weights, const TrainingState& state,
                             int64_t epoch) {
  std::vector<TensorRef> refs;
  for (const NamedTensor& tensor : weights) refs.push_back(refer(tensor));
  return {std::move(refs), weights_metadata(state, epoch)};
}

/// Whether the file is whole and is this one.
bool holds(const std::string& path, const SafetensorsFile& file) {
  try {
    Metadata metadata;
    read_safetensors(path, &metadata, true);
    const std::string* checksum = find(metadata, "engine.checksum");
    return checksum && checksum->ends_with(file.checksum);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

CheckpointStore::CheckpointStore(FileSystem& files, std::string folder)
    : files_(files), folder_(std::move(folder)) {}

std::string CheckpointStore::path(std::string_view file) const {
  return folder_ + "/" + std::string(file);
}

void CheckpointStore::save(const TrainingState& state, bool new_best) {
  require_finite(state.weights, "weight");
  require_finite(state.moments, "optimizer state");
  require_finite(state.best, "best weight");
  const SafetensorsFile last = weights_file(state.weights, state, state.epochs_done);
  const StateFile whole(state);
  uint64_t needed = last.bytes() + whole.file.bytes();
  if (new_best) needed += bytes_of(state.best);
  require_space(needed);

  if (new_best) {
    const SafetensorsFile best = weights_file(state.best, state, state.best_epoch);
    save_file(files_, path(run_files::kBest), best.pieces(),
              {.keep_previous = true, .label = "best"});
  }
  save_file(files_, path(run_files::kLast), last.pieces(),
            {.keep_previous = true, .label = "last"});
  save_file(files_, path(run_files::kState), whole.file.pieces(),
            {.keep_previous = true, .label = "state"});
}

std::optional<CheckpointStore::Loaded> CheckpointStore::load() const {
  Loaded loaded;
  for (const auto* suffix : {"", ".prev"}) {
    loaded.path = path(run_files::kState) + suffix;
    if (!exists(loaded.path)) continue;
    try {
      loaded.state = read_state(loaded.path);
      return loaded;
    } catch (const Error& error) {
      loaded.damaged.emplace_back(error.what());
    }
  }
  if (loaded.damaged.empty()) return std::nullopt;
  fail(ExitCode::storage, "{}: no checkpoint can be read:\n  {}\nStart anew with --overwrite.",
       folder_, fmt::join(loaded.damaged, "\n  "));
}

void CheckpointStore::repair(const TrainingState& state) {
  const auto make_sure = [&](std::string_view name, const SafetensorsFile& file) {
    if (!holds(path(name), file)) save_file(files_, path(name), file.pieces(), {.label = "repair"});
  };
  if (!state.best.empty()) {
    make_sure(run_files::kBest, weights_file(state.best, state, state.best_epoch));
  }
  make_sure(run_files::kLast, weights_file(state.weights, state, state.epochs_done));
}

uint64_t CheckpointStore::bytes(const TrainingState& state) {
  // best and last, and in the state weights, best weights and moments
  return 4 * bytes_of(state.weights) + bytes_of(state.moments) + (uint64_t{64} << 10);
}

void CheckpointStore::require_space(uint64_t bytes) const {
  require_free_space(files_, folder_, bytes);
}

}  // namespace engine
