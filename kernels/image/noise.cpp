#include "kernels/image/noise.h"

#include <fmt/format.h>

#include "engine/core/portable.h"
#include "kernels/image/stage_keys.h"

namespace engine {

void Noise::keys(Keys& keys) {
  keys.number("sigma", sigma,
              {.doc = "Standard deviation; pixels are in [0, 1]. The result is not clipped.",
               .required = true,
               .minimum = 0,
               .maximum = 1000});
  when_key(keys, when_);
}

std::string Noise::brief() const {
  return fmt::format("{}, {}", sigma, when_ == When::once ? "once" : "every epoch");
}

PortableValue Noise::portable(const PortableStage& stage) const {
  return stage.input;
}

}  // namespace engine
