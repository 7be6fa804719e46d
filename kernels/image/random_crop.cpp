#include "kernels/image/random_crop.h"

#include <fmt/format.h>

#include "engine/core/portable.h"

namespace engine {

void RandomCrop::keys(Keys& keys) {
  keys.integer("padding", padding,
               {.doc = "Pixels added on each side before the window is cut.",
                .minimum = 0,
                .maximum = 4096});
  keys.choice(
      "padding_mode", padding_mode,
      {{"zero", PaddingMode::zero}, {"reflect", PaddingMode::reflect}},
      {.doc = "What lies around the image: zeros, or its mirror image (edge pixel included)."});
}

std::string RandomCrop::brief() const {
  return fmt::format("padding {}, {}", padding,
                     padding_mode == PaddingMode::zero ? "zero" : "reflect");
}

PortableValue RandomCrop::portable(const PortableStage& stage) const {
  return stage.input;
}

}  // namespace engine
