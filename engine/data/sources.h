#pragma once

// What the sources of images share.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace engine {

/// limit indices of [0, count), evenly spread; all of them when limit is 0 or not below count.
std::vector<int64_t> spread(int64_t count, int64_t limit);
/// Makes room for shape's pixels, in huge pages where the system has them: tens of thousands of
/// page faults are a noticeable part of loading a data set.
void allocate_pixels(ImageSet& set, Shape shape);
/// Keeps those images of a set, in order. Sample numbers go with their images.
void keep_only(ImageSet& set, const std::vector<int64_t>& indices);
/// Training images 0 ... N-1, test images N ... N+M-1.
void number_samples(Dataset& data);
/// XXH3-128 of shape, pixels and labels, hexadecimal.
std::string fingerprint(const Dataset& data);

}  // namespace engine
