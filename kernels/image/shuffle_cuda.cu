#include "kernels/image/shuffle_cuda.h"

#include "engine/core/permutation.h"
#include "engine/cuda/kernel.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/sort_pairs.h"

namespace engine {
namespace {

/// Writes 12 bytes a row: its key and its number.
__global__ void fill_keys(RandomKey random, uint32_t epoch, uint64_t* keys, int32_t* rows,
                          uint32_t count) {
  for (uint32_t i = first_item(); i < count; i += item_stride()) {
    keys[i] = permutation_key(random, i, epoch);
    rows[i] = static_cast<int32_t>(i);
  }
}

__global__ void advance_position(StepState* at, uint64_t rows) {
  at->position += rows;
}

}  // namespace

void ShuffleCuda::make_room(int64_t count) {
  if (count <= room_) return;
  room_ = 0;
  const auto rows = static_cast<size_t>(count);
  for (Buffer* each : {&keys_, &sorted_keys_, &rows_, &scratch_}) *each = Buffer();
  keys_ = Buffer(device_, rows * sizeof(uint64_t));
  sorted_keys_ = Buffer(device_, rows * sizeof(uint64_t));
  rows_ = Buffer(device_, rows * sizeof(int32_t));
  scratch_ = Buffer(device_, sort_pairs_scratch(device_, count));
  room_ = count;
}

void ShuffleCuda::run(int64_t count, RandomKey random, uint32_t epoch, int32_t* order) {
  if (count == 0) return;
  make_room(count);
  auto* const keys = static_cast<uint64_t*>(keys_.data());
  auto* const rows = static_cast<int32_t*>(rows_.data());
  const double bytes = static_cast<double>(count) * (sizeof(uint64_t) + sizeof(int32_t));
  launch_over(device_, {"fill_keys", bytes}, count, fill_keys, random, epoch, keys, rows,
              static_cast<uint32_t>(count));
  sort_pairs(device_,
             {.keys = keys,
              .values = rows,
              .sorted_keys = static_cast<uint64_t*>(sorted_keys_.data()),
              .sorted_values = order,
              .count = count},
             scratch_.data(), scratch_.bytes());
}

void advance_cuda(CudaDevice& device, StepState* at, int64_t rows) {
  launch(device, "advance_position", 1, 1, advance_position, at, static_cast<uint64_t>(rows));
}

}  // namespace engine
