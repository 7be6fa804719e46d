#pragma once

// Weights of convolutions: files have OIHW, a GPU's kernels KRSC, which is OHWI.

#include <cstdint>

namespace engine {

/// Calls body(index in OIHW, index in KRSC) for every weight. ins: channels of a group.
template <class Body>
void for_weights(int64_t outs, int64_t ins, int64_t taps, const Body& body) {
  int64_t in_file = 0;
  for (int64_t out = 0; out < outs; ++out) {
    for (int64_t in = 0; in < ins; ++in) {
      for (int64_t tap = 0; tap < taps; ++tap) body(in_file++, (out * taps + tap) * ins + in);
    }
  }
}

}  // namespace engine
