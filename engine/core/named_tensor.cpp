#include "engine/core/named_tensor.h"

namespace engine {

int64_t NamedTensor::elements() const {
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  return count;
}

}  // namespace engine
