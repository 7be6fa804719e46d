#include "kernels/optim/arena_cpu.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "engine/cpu/parallel.h"

namespace engine {

double sum_of_squares(const float* values, int64_t count) {
  constexpr int64_t kPieces = 256, kLanes = 16;
  double sums[kPieces];
  const int64_t piece = ((count + kPieces - 1) / kPieces + kLanes - 1) / kLanes * kLanes;
  parallel_for(kPieces, [&](int64_t p) {
    const int64_t begin = std::min(count, p * piece), end = std::min(count, begin + piece);
    double lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const double value = values[i + lane];
        lanes[lane] += value * value;
      }
    }
    for (int64_t lane = 0; i < end; ++i, ++lane) {
      const double value = values[i];
      lanes[lane] += value * value;
    }
    double sum = 0;
    for (double lane : lanes) sum += lane;
    sums[p] = sum;
  });
  double sum = 0;
  for (double of_piece : sums) sum += of_piece;
  return sum;
}

bool all_finite(const float* values, int64_t count) {
  std::atomic<bool> finite{true};
  parallel_ranges(count, 4096, [&](int64_t begin, int64_t end) {
    // A NaN or an infinity times 0 is NaN, and stays one in the sum; all else adds 0.
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += values[i] * 0.0f;
    if (std::isnan(sum)) finite = false;
  });
  return finite;
}

void ArenaOptimizer::update(const UpdateArgs& args) {
  StepState& state = *args.state;
  double norm = 0;
  if (!state.nonfinite) {
    norm = state.gradient_norm =
        std::sqrt(sum_of_squares(static_cast<const float*>(args.gradients), args.elements));
    if (!std::isfinite(norm) || !all_finite(args.parameters, args.elements)) state.nonfinite = 1;
  }
  if (state.nonfinite) return undo(args);
  state.learning_rate = args.learning_rates[state.step - state.rates_from];
  const bool clip = clip_norm_ > 0 && norm > clip_norm_;
  const float scale = clip ? static_cast<float>(clip_norm_ / norm) : 1.0f;
  apply(args, state.learning_rate, scale, state.step + 1);
  ++state.step;
  state.position += static_cast<uint64_t>(args.samples);
}

void ArenaOptimizer::undo(const UpdateArgs& args) {
  StepState& state = *args.state;
  state.loss_sum = state.loss_before;
  state.correct = state.correct_before;
  state.seen = state.seen_before;
  std::copy_n(args.state_parameters_before, args.state_elements, args.state_parameters);
}

}  // namespace engine
