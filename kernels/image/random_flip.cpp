#include "kernels/image/random_flip.h"

#include <fmt/format.h>

#include "engine/core/portable.h"

namespace engine {

void RandomFlip::keys(Keys& keys) {
  keys.number("probability", probability,
              {.doc = "How often an image is mirrored.", .minimum = 0, .maximum = 1});
  keys.choice("mode", mode, {{"horizontal", Mode::horizontal}, {"vertical", Mode::vertical}},
              {.doc = "Left and right change places (horizontal), or top and bottom (vertical)."});
}

std::string RandomFlip::brief() const {
  return fmt::format("{}, probability {}", mode == Mode::horizontal ? "horizontal" : "vertical",
                     probability);
}

PortableValue RandomFlip::portable(const PortableStage& stage) const {
  return stage.input;
}

}  // namespace engine
