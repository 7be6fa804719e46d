#include "kernels/fused/pooled_mean.h"

#include "engine/core/error.h"

namespace engine {

void PooledMean::keys(Keys& keys) {
  pool.keys(keys);
  keys.number("rate", rate, {.doc = "Probability that a window's value is dropped."});
  keys.string("dropout", dropout, {.doc = "The node whose dropout this does."});
}

Signature PooledMean::infer(std::span<const Shape> inputs, const InferContext& context) const {
  const Shape pooled = pool.infer(inputs, context).output;
  constexpr int64_t kMostPlaces = 255;  // one more value of a byte says "dropped"
  if (pool.kernel.h * pool.kernel.w > kMostPlaces) {
    fail(ExitCode::experiment, "a window of {}x{} has more than {} places", pool.kernel.h,
         pool.kernel.w, kMostPlaces);
  }
  return {.output = {pooled.n, 1, 1, pooled.c}};
}

std::string PooledMean::brief() const {
  return fmt::format("{}, dropout {}", pool.brief(), rate);
}

}  // namespace engine
