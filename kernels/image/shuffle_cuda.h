#pragma once

#include "engine/core/random.h"
#include "engine/core/step.h"
#include "engine/cuda/cuda_device.h"

namespace engine {

/// Makes the permutations of epochs in a GPU's memory.
class ShuffleCuda {
 public:
  explicit ShuffleCuda(CudaDevice& device) : device_(device) {}

  /// As Pipeline::shuffle.
  void run(int64_t count, RandomKey random, uint32_t epoch, int32_t* order);

 private:
  void make_room(int64_t count);

  CudaDevice& device_;
  Buffer keys_, sorted_keys_, rows_, scratch_;
  int64_t room_ = 0;
};

/// As Pipeline::advance.
void advance_cuda(CudaDevice& device, StepState* at, int64_t rows);

}  // namespace engine
