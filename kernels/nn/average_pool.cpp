#include "kernels/nn/average_pool.h"

namespace engine {

void AveragePool::keys(Keys& keys) {
  Pool::keys(keys);
  keys.boolean("count_include_padding", count_include_padding,
               {.doc = "Divide by the window's size even where padding is part of the window."});
}

}  // namespace engine
