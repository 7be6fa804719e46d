#pragma once

// Every limit on what files may make the engine do, in one table. Each is enforced before the
// memory that it bounds is allocated, and tested at n - 1, n and n + 1.

#include <cstddef>

namespace engine {

struct Limits {
  size_t file_bytes = size_t{4} << 20;     ///< of one experiment file
  size_t depth = 64;                       ///< of brackets in a file
  size_t string_bytes = size_t{64} << 10;  ///< of one string or key, as written
  size_t values = 100'000;                 ///< of one file, and of files merged by "extends"
  size_t merged_bytes = size_t{16} << 20;  ///< of all files that "extends" leads to
  size_t extends_levels = 16;              ///< files that "extends" may lead to, one after another
  size_t nodes = 10'000;                   ///< of a network, after blocks are expanded
  size_t node_values = 1'000;              ///< keys and values of one node, as written
  size_t block_levels = 16;                ///< of blocks that use blocks
  size_t name_bytes = 64;                  ///< of an experiment's, stage's, node's or block's name
  size_t stages = 100;                     ///< of preprocessing
  size_t messages = 200;                   ///< shown of what is wrong with a file
};
inline constexpr Limits kLimits{};

}  // namespace engine
