#include "kernels/image/image_runner_cpu.h"

#include <cstring>

namespace engine {
namespace {

/// float32 in [0, 1]: what the first stage sees.
void to_unit(const uint8_t* __restrict from, float* __restrict to, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]) / 255.0f;
}

}  // namespace

void run_image(const Steps& steps, Source source, float* out, const Scratch& scratch,
               DrawPlace place) {
  int free = 0;  // the scratch image that does not hold current
  const float* current = source.f32;
  if (source.u8) {
    float* first = steps.empty() ? out : scratch.image(free);
    to_unit(source.u8, first, source.elements);
    current = first;
    free = 1;
  } else if (steps.empty()) {
    if (current != out) std::memcpy(out, current, sizeof(float) * source.elements);
    return;
  } else if (current == out && !steps.front()->in_place()) {
    std::memcpy(scratch.image(0), current, sizeof(float) * source.elements);
    current = scratch.image(0);
    free = 1;
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    const bool last = i + 1 == steps.size();
    const bool ours = current == scratch.image(0) || current == scratch.image(1);
    float* target = last                           ? out
                    : ours && steps[i]->in_place() ? const_cast<float*>(current)
                                                   : scratch.image(free);
    steps[i]->run(current, target, scratch.step(), place);
    if (target != current && !last) free = target == scratch.image(0) ? 1 : 0;
    current = target;
  }
}

}  // namespace engine
