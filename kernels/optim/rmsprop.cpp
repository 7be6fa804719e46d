#include "kernels/optim/rmsprop.h"

namespace engine {

void RmsProp::keys(Keys& keys) {
  common_keys(keys);
  keys.number("rho", rho,
              {.doc = "Share of the old mean of squared gradients that is kept (PyTorch's alpha).",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.number("momentum", momentum,
              {.doc = "Share of the last step that is kept.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.number("epsilon", epsilon,
              {.doc = "Added to the root of the mean of squares.", .minimum = 1e-12, .maximum = 1});
}

}  // namespace engine
