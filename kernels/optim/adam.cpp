#include "kernels/optim/adam.h"

namespace engine {

void Adam::keys(Keys& keys) {
  common_keys(keys);
  keys.number("beta1", beta1,
              {.doc = "Share of the old mean of gradients that is kept.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.number("beta2", beta2,
              {.doc = "Share of the old mean of squared gradients that is kept.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.number("epsilon", epsilon,
              {.doc = "Added to the root of the mean of squares.", .minimum = 1e-12, .maximum = 1});
}

}  // namespace engine
