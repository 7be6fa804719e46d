#include "kernels/optim/sgd.h"

namespace engine {

void Sgd::keys(Keys& keys) {
  common_keys(keys);
  keys.number("momentum", momentum,
              {.doc = "Share of the last step that is kept.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.boolean("nesterov", nesterov, {.doc = "Look ahead by one step of momentum."});
}

}  // namespace engine
