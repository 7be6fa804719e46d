#include "kernels/optim/arena_cuda.h"

#include <algorithm>

namespace engine {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPerBlock = 2048, kMostBlocks = 256;

/// Follows from the number of parameters alone: so does the order of the sum.
unsigned blocks_of(int64_t count) {
  return static_cast<unsigned>(
      std::clamp<int64_t>((count + kPerBlock - 1) / kPerBlock, 1, kMostBlocks));
}

struct Partial {
  double squares;
  uint32_t nonfinite;
};

/// The end of the step as far as it is not arithmetic on the arenas.
__device__ void decide(const Partial* partial, double clip_norm, const float* rates,
                       uint64_t samples, StepState* state, StepDecision* decision) {
  decision->applies = 0;
  if (!state->nonfinite) {
    double squares = 0;
    uint32_t bad = 0;
    for (unsigned i = 0; i < gridDim.x; ++i) {
      squares += partial[i].squares;
      bad |= partial[i].nonfinite;
    }
    const double norm = sqrt(squares);
    state->gradient_norm = norm;
    if (bad || !isfinite(norm)) state->nonfinite = 1;
  }
  if (state->nonfinite) {  // as if the step had not been
    state->loss_sum = state->loss_before;
    state->correct = state->correct_before;
    state->seen = state->seen_before;
    return;
  }
  const double norm = state->gradient_norm;
  state->learning_rate = rates[state->step - state->rates_from];
  ++state->step;
  state->position += samples;
  decision->applies = 1;
  decision->rate = state->learning_rate;
  decision->scale = clip_norm > 0 && norm > clip_norm ? static_cast<float>(clip_norm / norm) : 1.0f;
  decision->t = static_cast<double>(state->step);
}

/// Reads gradients and parameters once. The block that is done last adds what
/// all have found, in the blocks' order.
template <class G>
__global__ void measure_step(const G* gradients, const float* parameters, uint32_t count,
                             Partial* partial, double clip_norm, const float* rates,
                             uint64_t samples, StepState* state, StepDecision* decision) {
  double squares = 0;
  float zeros = 0;  // a NaN or an infinity times 0 is NaN, and stays one in the sum
  for (uint32_t i = first_item(); i < count; i += item_stride()) {
    const double gradient = to_float(gradients[i]);
    squares += gradient * gradient;
    zeros += parameters[i] * 0.0f;
  }
  squares = block_sum<kThreads>(squares);
  zeros = block_sum<kThreads>(zeros);
  if (threadIdx.x != 0) return;
  partial[blockIdx.x] = {squares, zeros == 0.0f ? 0u : 1u};
  __threadfence();
  if (atomicAdd(&decision->ticket, 1u) != gridDim.x - 1) return;
  decision->ticket = 0;
  __threadfence();
  decide(partial, clip_norm, rates, samples, state, decision);
}

__global__ void put_back(float* to, const float* from, uint32_t count,
                         const StepDecision* decision) {
  if (decision->applies) return;
  for (uint32_t i = first_item(); i < count; i += item_stride()) to[i] = from[i];
}

}  // namespace

ArenaOptimizerCuda::ArenaOptimizerCuda(const Optimizer& optimizer, Device& device)
    : device_(as_cuda(device)),
      weight_decay_(static_cast<float>(optimizer.weight_decay)),
      clip_norm_(optimizer.clip_norm),
      partial_(device, kMostBlocks * sizeof(Partial)),
      decision_(device, sizeof(StepDecision)) {
  device.zero(decision_.data(), decision_.bytes());
}

void ArenaOptimizerCuda::update(const UpdateArgs& args) {
  auto* decision = static_cast<StepDecision*>(decision_.data());
  with_type(args.gradient_type, [&](auto type) {
    using G = typename decltype(type)::type;
    const double bytes = static_cast<double>(args.elements) * (sizeof(float) + sizeof(G));
    launch(device_, {"measure_step", bytes}, blocks_of(args.elements), kThreads, measure_step<G>,
           static_cast<const G*>(args.gradients), args.parameters,
           static_cast<uint32_t>(args.elements), static_cast<Partial*>(partial_.data()), clip_norm_,
           args.learning_rates, static_cast<uint64_t>(args.samples), args.state, decision);
  });
  apply(args, decision);
  launch_over(device_, "put_back", args.state_elements, put_back, args.state_parameters,
              args.state_parameters_before, static_cast<uint32_t>(args.state_elements), decision);
}

}  // namespace engine
