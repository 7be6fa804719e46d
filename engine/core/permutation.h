#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/random.h"

namespace engine {

/// What index i of an epoch's permutation is sorted by.
ENGINE_HD uint64_t permutation_key(RandomKey random, uint32_t i, uint32_t epoch) {
  const Philox4 words = random.draw(i, epoch, 0);
  return uint64_t{words.word[1]} << 32 | words.word[0];
}

/// The permutation of [0, count) for an epoch: indices sorted by permutation_key(), equal keys by
/// index. Pipeline::shuffle() makes the same one in a device's memory.
std::vector<int32_t> permutation(int64_t count, RandomKey random, uint32_t epoch);

}  // namespace engine
