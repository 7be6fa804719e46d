#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace engine {

/// The colour of a share of a row, from nearly white (0) to dark blue (1); its brightness falls
/// evenly.
inline std::array<uint8_t, 3> heat_color(double share) {
  constexpr double kLight[] = {243, 246, 250}, kMiddle[] = {107, 169, 214}, kDark[] = {8, 58, 110};
  share = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0;
  const bool lower = share < 0.5;
  const double part = lower ? 2 * share : 2 * share - 1;
  std::array<uint8_t, 3> color{};
  for (size_t i = 0; i < 3; ++i) {
    const double from = lower ? kLight[i] : kMiddle[i], to = lower ? kMiddle[i] : kDark[i];
    color[i] = static_cast<uint8_t>(std::lround(from + part * (to - from)));
  }
  return color;
}

}  // namespace engine
