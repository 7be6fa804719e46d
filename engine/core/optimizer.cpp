#include "engine/core/optimizer.h"

namespace engine {

void Optimizer::common_keys(Keys& keys) {
  keys.number("learning_rate", learning_rate,
              {.doc = "Step size, before the schedule changes it.",
               .minimum = 0,
               .maximum = 1e6,
               .exclusive_minimum = true});
  keys.number("weight_decay", weight_decay,
              {.doc = "Share of each trainable parameter that is added to its gradient (L2 "
                      "penalty); adamw takes it off the parameter directly instead.",
               .minimum = 0,
               .maximum = 1e6});
  keys.number("clip_norm", clip_norm,
              {.doc = "All gradients together are scaled down to this Euclidean norm when they "
                      "are longer; 0 turns it off.",
               .minimum = 0,
               .maximum = 1e30});
}

}  // namespace engine
