#pragma once

// Which elements dropout keeps, for every kernel that drops some: drawn again wherever it is
// needed, never stored.

#include "engine/core/step.h"
#include "engine/cuda/kernel.h"
#include "kernels/nn/dropout.h"

namespace engine {

/// What decides which elements of a tensor stay.
struct DropoutDraw {
  RandomKey key{};
  uint32_t threshold = 0;
  float scale = 1;  ///< of those that stay
  const StepState* state = nullptr;
  const int32_t* samples = nullptr;  ///< null: all stay as they are

  /// What V neighbouring elements of image n are multiplied with; the first is a multiple of V in
  /// the order NHWC. Four that lie in one block of Philox words cost one draw.
  template <int V>
  __device__ Floats<V> factors(uint32_t n, uint32_t element) const {
    Floats<V> all;
    if (!samples) {
      for (int v = 0; v < V; ++v) all.at[v] = 1;
      return all;
    }
    const uint32_t epoch = state->epoch;
    const auto sample = static_cast<uint32_t>(samples[n]);
    if constexpr (V == 1) {
      const Philox4 words = key.draw(element / 4, epoch, sample);
      uint32_t word = words.word[0];  // chosen without an index: registers have none
      for (uint32_t i = 1; i < 4; ++i) word = element % 4 == i ? words.word[i] : word;
      all.at[0] = word < threshold ? 0.0f : scale;
    } else {
      for (int v = 0; v < V; v += 4) {
        const Philox4 words = key.draw((element + static_cast<uint32_t>(v)) / 4, epoch, sample);
        for (int i = 0; i < 4; ++i) all.at[v + i] = words.word[i] < threshold ? 0.0f : scale;
      }
    }
    return all;
  }
};

inline float dropout_scale(const Batch& batch, double rate) {
  return batch.training ? static_cast<float>(1 / (1 - rate)) : 1.0f;
}

/// Of a batch; nothing is dropped in evaluation and with rate 0.
inline DropoutDraw dropout_draw(const Batch& batch, RandomKey key, double rate) {
  if (!batch.training || rate == 0) return {};
  return {.key = key,
          .threshold = drop_threshold(rate),
          .scale = dropout_scale(batch, rate),
          .state = batch.state,
          .samples = batch.samples};
}

}  // namespace engine
